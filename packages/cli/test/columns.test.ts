import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type Column, parseFormat, printRows, type RowStyle } from '../src/terminal/columns.ts'
import { outputTo } from '../src/terminal/output.ts'

interface Row {
  readonly name: string
  readonly size: number
  readonly tags?: readonly string[]
}

const columns: readonly Column<Row>[] = [
  { key: 'name', help: '', title: 'NAME', value: (row) => row.name },
  {
    key: 'size',
    help: '',
    title: 'SIZE',
    value: (row) => row.size,
    text: (row, whole) => (whole ? `${row.size} bytes` : `${row.size}`),
    right: true,
  },
  { key: 'tags', help: '', value: (row) => row.tags },
]
const rows: readonly Row[] = [
  { name: 'å\x1b', size: 7, tags: ['x', 'y'] },
  { name: 'longer', size: 1234 },
]

async function printed(style: RowStyle<Row>): Promise<string> {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk
      done()
    },
  })
  await printRows(outputTo(stream), columns, rows, style)
  return text
}

test('a table is aligned, without space at the ends of lines or control characters', async () => {
  expect(await printed({})).toBe('NAME     SIZE\nå\\x1b       7\nlonger   1234\n')
})

test('--no-trunc shows all', async () => {
  expect(await printed({ noTrunc: true })).toContain('1234 bytes')
})

test('--json gives each row on a line, missing values left out', async () => {
  expect(
    (await printed({ json: true }))
      .split('\n')
      .slice(0, 2)
      .map((l) => JSON.parse(l)),
  ).toEqual([
    { name: 'å\x1b', size: 7, tags: ['x', 'y'] },
    { name: 'longer', size: 1234 },
  ])
})

describe('--format', () => {
  test('takes our fields and Docker’s spelling of them', async () => {
    expect(await printed({ template: parseFormat('{name}\\t{{.Size}}{tags}', columns) })).toBe(
      'å\\x1b\t7x,y\nlonger\t1234\n',
    )
  })
  test('names the fields there are when one is unknown', () => {
    expect(() => parseFormat('{id}', columns)).toThrow(/unknown field "id".*\n.*name, size, tags/)
  })
})

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { memoryFile, openErofs } from '@varve/erofs'
import { expect, test } from 'vitest'
import { example, expectClean, isRoot, jsonLines, scratch, varveHere } from './varve.ts'

const canMount =
  isRoot &&
  process.platform === 'linux' &&
  /\berofs$/m.test(readFileSync('/proc/filesystems', 'latin1'))

async function run(root: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await varveHere(args, { root })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

test('an image is kept as tars with metadata, checked, and converted to files', async () => {
  const root = join(await scratch(), 'store')
  const ids = async () =>
    jsonLines(await run(root, 'layer', 'ls', '--json')).map(({ chainID, diffID }) => [
      chainID,
      diffID,
    ])
  await run(root, '--driver', 'erofs', 'load', '-q', example)
  const before = await ids()
  expect(existsSync(join(root, 'erofs'))).toBe(true)
  expect(await run(root, 'check', '--full')).not.toMatch(/damaged|altered/)
  await run(root, 'convert', '--to', 'vfs')
  expect(await ids()).toEqual(before)
})

test.skipIf(!canMount)(
  'a file system of it is changed, compared and committed (needs root)',
  async () => {
    const root = join(await scratch(), 'store')
    await run(root, '--driver', 'erofs', 'load', '-q', example)
    await run(root, 'create', '-n', 'work', 'world-clock')
    await run(root, 'mount', 'work', '--', 'sh', '-c', 'cd "$VARVE_MOUNT"; echo x >x; rm -r etc')
    expect(await run(root, 'diff', 'work')).toMatch(/D \/etc[\s\S]*A \/x/)
    await run(root, 'commit', 'work')
    await expectClean(root)
  },
)

test('an image is exported as one file that the same image always gives', async () => {
  const folder = await scratch()
  const root = join(folder, 'store')
  await run(root, '--driver', 'vfs', 'load', '-q', example)
  const [one, two] = [join(folder, 'one.erofs'), join(folder, 'two.erofs')]
  for (const file of [one, two])
    await run(root, 'export', 'world-clock', '--format', 'erofs', '-o', file)
  const bytes = readFileSync(one)
  expect(Buffer.compare(bytes, readFileSync(two))).toBe(0)
  const image = await openErofs(memoryFile(bytes))
  expect(image.blockSize).toBe(4096)
  expect((await image.stat('etc'))?.type).toBe('directory')
})

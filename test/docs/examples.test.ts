/** Every example in a README or docstring is a program: it type-checks, runs, and asserts. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Example, findExamples } from './examples.ts'

const root = join(import.meta.dirname, '../..')
const examples = findExamples(root)
const run = promisify(execFile)

/** Inside the checkout, so that the names of packages resolve as they do for their users. */
let programs: string
/** Where the programs run, beside an `image.tar`, so that what they write is nobody's. */
let cwd: string

const { deno, bun } = process.versions as { deno?: string; bun?: string }
// Most of an example's time would go into stripping our types, every time again.
const env = { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile') }
const conditions = [...(deno ? ['run', '-A'] : []), '--conditions=@varve/source']

// A failed console.assert only prints, and says nothing by its exit code.
const STRICT =
  "console.assert = (ok, ...why) => { if (!ok) throw new Error(why.join(' ') || 'assertion failed') };"

const fileOf = ({ document, line }: Example) => `${document.replaceAll(/[/.]/g, '-')}-${line}.ts`

beforeAll(async () => {
  await mkdir(join(root, '.examples'), { recursive: true })
  programs = await mkdtemp(join(root, '.examples/'))
  cwd = await mkdtemp(join(tmpdir(), 'varve-examples-'))
  await copyFile(join(root, 'examples/world-clock.oci.tar'), join(cwd, 'image.tar'))
  for (const example of examples) {
    // On the first line, so that the lines of an error are the example's.
    await writeFile(join(programs, fileOf(example)), `${STRICT} ${example.code}\n`)
  }
  await writeFile(
    join(programs, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
  )
})
afterAll(async () => {
  await rm(programs, { recursive: true })
  await rm(cwd, { recursive: true })
})

test('there are examples', () => {
  const documents = new Set(examples.map((example) => example.document))
  for (const document of ['README.md', 'packages/core/README.md', 'packages/core/src/ids.ts']) {
    expect(documents).toContain(document)
  }
})

test.for(readdirSync(join(root, 'packages')))('package %s has a README', (name) => {
  expect(existsSync(join(root, 'packages', name, 'README.md'))).toBe(true)
})

test.runIf(!deno && !bun)('examples type-check', async () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await expect(run(process.execPath, [tsc, '-p', programs])).resolves.toMatchObject({ stdout: '' })
})

test.for(examples.map((example) => [`${example.document}:${example.line}`, example] as const))(
  '%s runs',
  async ([, example]) => {
    const file = join(programs, fileOf(example))
    expect(existsSync(file)).toBe(true)
    await run(process.execPath, [...conditions, file], { cwd, env })
  },
)

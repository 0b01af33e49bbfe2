import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import {
  example,
  exampleDocker,
  expectClean,
  isRoot,
  jsonLines,
  scratch,
  varveHere,
} from './varve.ts'

const onLinux = process.platform === 'linux'

async function run(root: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await varveHere(args, { root })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

/** Where a driver keeps the files of a layer. */
const PLACES: Readonly<Record<string, (root: string, id: string) => string>> = {
  erofs: (root, id) => join(root, 'erofs', id),
  overlay2: (root, id) => join(root, 'overlay2', id, 'diff'),
  vfs: (root, id) => join(root, 'vfs', 'dir', id),
}

/** A store with the example, one byte of whose base layer is changed. */
async function damaged(driver: string, ...options: string[]): Promise<string> {
  const root = join(await scratch(), 'store')
  await run(root, '--driver', driver, 'load', '-q', ...options, example)
  const layers = jsonLines(await run(root, 'layer', 'ls', '--json'))
  const base = layers.find(({ parent }) => parent === undefined) as { cacheID: string }
  await flip(await largestIn((PLACES[driver] as (typeof PLACES)[string])(root, base.cacheID)))
  return root
}

async function largestIn(folder: string): Promise<string> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile()).map((at) => join(at.parentPath, at.name))
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size))
  return files[sizes.indexOf(Math.max(...sizes))] as string
}

/** Changes a byte in the middle of a file. */
async function flip(file: string): Promise<void> {
  const bytes = await readFile(file)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await chmod(file, 0o600)
  await writeFile(file, bytes)
}

interface Found {
  readonly repaired: boolean
  readonly message: string
}

async function repaired(root: string, ...options: string[]): Promise<readonly Found[]> {
  const { stdout } = await varveHere(['check', '--full', '--repair', '--json', ...options], {
    root,
  })
  return jsonLines(stdout) as readonly Found[]
}

describe.each([
  ['vfs', onLinux],
  ['erofs', onLinux],
  ['overlay2', onLinux && isRoot],
] as const)('a changed byte in a layer of %s', (driver, can) => {
  test.skipIf(!can)('is mended from the blob that was kept (overlay2 needs root)', async () => {
    const root = await damaged(driver, '--keep-blobs')
    const layers = await run(root, 'layer', 'ls', '-q')
    const { code, stdout } = await varveHere(['check', '--full'], { root })
    expect({ code, stdout }).toMatchObject({ code: 1 })
    const found = await repaired(root)
    expect(found.length).toBeGreaterThan(0)
    expect(found.filter((problem) => !problem.repaired)).toEqual([])
    expect(await run(root, 'layer', 'ls', '-q')).toBe(layers)
    await expectClean(root)
  })

  test.skipIf(!can)('is mended from an archive that has the layer', async () => {
    const root = await damaged(driver)
    const layers = await run(root, 'layer', 'ls', '-q')
    expect((await repaired(root, '--from', example)).every((problem) => problem.repaired)).toBe(
      true,
    )
    expect(await run(root, 'layer', 'ls', '-q')).toBe(layers)
    await expectClean(root)
  })
})

test.skipIf(!onLinux)('of several archives the first whole one is taken', async () => {
  const root = await damaged('vfs')
  const altered = join(await scratch(), 'altered.tar')
  const [{ layers }] = JSON.parse(await run(root, 'inspect', 'world-clock'))
  const { digest, size } = layers[0].blob
  const bytes = await readFile(example)
  const header = bytes.indexOf(`blobs/sha256/${digest.slice('sha256:'.length)}`)
  expect(header).toBeGreaterThanOrEqual(0)
  bytes.fill(0xff, header + 512 + (size >> 1), header + 512 + (size >> 1) + 64)
  await writeFile(altered, bytes)
  const found = await repaired(root, '--from', altered, '--from', exampleDocker)
  expect(found.length).toBeGreaterThan(0)
  expect(found.every((problem) => problem.repaired)).toBe(true)
  await expectClean(root)
})

test('a damaged layer that can be had nowhere is set aside', async () => {
  const root = await damaged('vfs')
  await repaired(root)
  const { code } = await varveHere(['check', '--full'], { root })
  expect(code).toBe(1)
  await run(root, 'load', '-q', example)
  await expectClean(root)
})

test('--from without --repair is refused, and so is a file that is not there', async () => {
  const root = join(await scratch(), 'store')
  await run(root, '--driver', 'vfs', 'load', '-q', example)
  expect((await varveHere(['check', '--from', example], { root })).code).toBe(2)
  const { code, stderr } = await varveHere(['check', '--repair', '--from', 'nowhere'], { root })
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('nowhere') })
})

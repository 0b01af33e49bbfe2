import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { example, jsonLines, suiteScratch, varve, varveHere } from './varve.ts'

/** Every file with what would betray a change. */
async function state(root: string): Promise<readonly string[]> {
  const names = await readdir(root, { recursive: true })
  const lines = names.map(async (name) => {
    const { mode, size, mtimeMs, ino } = await lstat(join(root, name))
    return `${name} ${mode} ${size} ${mtimeMs} ${ino}`
  })
  return (await Promise.all(lines)).sort()
}

describe("a Docker daemon's data root", () => {
  let root: string
  let id: string
  let before: readonly string[]

  beforeAll(async () => {
    root = join(await suiteScratch(), 'docker')
    const load = await varve(['load', '-q', '--driver', 'vfs', '-t', 'a:1', example], { root })
    id = load.stdout.trim()
    // What is left without our own marks is what a daemon with the vfs driver writes.
    await rm(join(root, 'varve'), { recursive: true })
    await rm(join(root, 'vfs/aside'), { recursive: true })
    await rm(join(root, 'image/vfs/layerdb/varve'), { recursive: true, force: true })
    before = await state(root)
  })

  test('is recognised, and read', async () => {
    const [info] = jsonLines((await varveHere(['info', '--json'], { root })).stdout)
    expect(info).toMatchObject({ kind: 'Docker data root', readOnly: true, images: 1, layers: 4 })
    expect((await varveHere(['images', '-q', '--docker'], { root })).stdout).toBe(`${id}\n`)
    expect((await varveHere(['tree'], { root })).stdout).toContain('a:1')
    expect((await varveHere(['check', '--full', '--json'], { root })).stdout).toBe('')
    expect(await state(root)).toEqual(before)
  })

  test('gives its images, which then are the same in a store of ours', async () => {
    const { bytes } = await varveHere(['save', 'a:1'], { root })
    const other = join(await suiteScratch(), 'other')
    const load = await varveHere(['load', '-q', '-'], { root: other, stdin: bytes })
    expect(load.stdout).toBe(`${id}\n`)
    expect(await state(root)).toEqual(before)
  })

  test.each([
    [['load', example]],
    [['tag', 'a:1', 'b:2']],
    [['rm', 'a:1']],
    [['prune']],
    [['check', '--repair']],
    [['layer', 'register', '-']],
  ])('is not changed by %j', async (args) => {
    const stdin = new Uint8Array(1024)
    const { code, stderr } = await varveHere([...args, '--json'], { root, stdin })
    expect(code).toBe(1)
    expect(jsonLines(stderr)[0].error.code).toBe('ERR_NOT_SUPPORTED')
    expect(await state(root)).toEqual(before)
  })

  test('is not opened with a driver that it has no layers of', async () => {
    const { code, stderr } = await varveHere(['images', '--driver', 'overlay2'], { root })
    expect(code).toBe(1)
    expect(stderr).toContain('hint: layers there are kept by: vfs')
  })
})

test('--docker refuses a store of ours', async () => {
  const root = join(await suiteScratch(), 'store')
  await varveHere(['layer', 'register'], { root, stdin: new Uint8Array(1024) })
  const { code, stderr } = await varveHere(['images', '--docker', '--json'], { root })
  expect(code).toBe(1)
  expect(jsonLines(stderr)[0].error.code).toBe('ERR_NOT_A_STORE')
})

import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createRoot, defaultRoot, inspectRoot } from '../src/store/root.ts'
import { scratch } from './varve.ts'

describe('what a root is', () => {
  test('nothing there yet is new, and is not made by looking', async () => {
    const root = join(await scratch(), 'absent')
    expect(await inspectRoot(root)).toEqual({ kind: 'new', drivers: [] })
    await expect(stat(root)).rejects.toThrow('ENOENT')
  })

  test('a new file system with lost+found is new', async () => {
    const root = await scratch()
    await mkdir(join(root, 'lost+found'))
    expect((await inspectRoot(root)).kind).toBe('new')
  })

  test('a store has a marker, which nobody else can read', async () => {
    const root = join(await scratch(), 'deep/store')
    await createRoot(root)
    expect(await inspectRoot(root)).toEqual({ kind: 'varve', drivers: [] })
    expect(JSON.parse(await readFile(join(root, 'varve/version'), 'utf8'))).toEqual({
      formatVersion: 1,
    })
    expect((await stat(root)).mode & 0o007).toBe(0)
    expect((await stat(join(root, 'varve'))).mode & 0o777).toBe(0o700)
  })

  test('many can make it at once', async () => {
    const root = join(await scratch(), 'store')
    await Promise.all(Array.from({ length: 8 }, () => createRoot(root)))
    expect((await inspectRoot(root)).kind).toBe('varve')
  })

  test('one that died before the marker was there is new again', async () => {
    const root = await scratch()
    await mkdir(join(root, 'varve'))
    await writeFile(join(root, 'varve/version.1.tmp'), '')
    expect((await inspectRoot(root)).kind).toBe('new')
  })

  test("Docker's data root is known by its layerdb", async () => {
    const root = await scratch()
    await mkdir(join(root, 'image/overlay2/layerdb/sha256'), { recursive: true })
    await mkdir(join(root, 'image/vfs/layerdb'), { recursive: true })
    await mkdir(join(root, 'containers'))
    expect(await inspectRoot(root)).toEqual({ kind: 'docker', drivers: ['overlay2', 'vfs'] })
  })

  test('anything else is refused', async () => {
    const root = await scratch()
    await writeFile(join(root, 'thesis.tex'), '')
    await expect(inspectRoot(root)).rejects.toMatchObject({ code: 'ERR_NOT_A_STORE' })
    await expect(inspectRoot(join(root, 'thesis.tex'))).rejects.toMatchObject({
      code: 'ERR_NOT_A_STORE',
    })
  })
})

describe('the version', () => {
  test('a newer one is refused', async () => {
    const root = await scratch()
    await createRoot(root)
    await writeFile(join(root, 'varve/version'), '{"formatVersion":2}')
    await expect(inspectRoot(root)).rejects.toMatchObject({ code: 'ERR_STORE_VERSION' })
  })

  test.each(['', '{', '{}', '{"formatVersion":0}', '{"formatVersion":"1"}', 'null'])(
    '%j is damaged',
    async (text) => {
      const root = await scratch()
      await createRoot(root)
      await writeFile(join(root, 'varve/version'), text)
      await expect(inspectRoot(root)).rejects.toMatchObject({ code: 'ERR_CORRUPT_METADATA' })
      await rm(root, { recursive: true })
    },
  )
})

describe('where the store is by itself', () => {
  test('for root', () => {
    expect(defaultRoot({ XDG_DATA_HOME: '/data' }, true)).toBe('/var/lib/varve')
  })
  test('for others where XDG says, or in their home', () => {
    expect(defaultRoot({ XDG_DATA_HOME: '/data' }, false)).toBe('/data/varve')
    expect(defaultRoot({ XDG_DATA_HOME: 'relative' }, false)).toMatch(/\.local\/share\/varve$/)
    expect(defaultRoot({}, false)).toMatch(/\.local\/share\/varve$/)
  })
})

/** The calls of each method, in the order in which Docker makes them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, newCacheID } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, type Bed, bed, bytesOf, layer, sandbox, UPPER } from './beds.ts'

async function withLayers(
  one: Bed,
): Promise<{ base: CacheID; top: CacheID; rw: CacheID; names: Record<string, string> }> {
  const base = await layer(one.driver, BASE)
  const top = await layer(one.driver, UPPER, base)
  const rw = await sandbox(one.driver, top)
  one.calls()
  const names = { [base]: 'base', [top]: 'top', [rw]: 'rw' }
  return { base, top, rw, names }
}

/** Chains are shown by the first four characters of their folders. */
const chain = (...ids: readonly string[]) => `[${ids.map((id) => id.slice(0, 4)).join()}]`

describe.each(['current', 'v1.11'] as const)('as in Docker %s', (compat) => {
  test('create', async () => {
    await using one = await bed({ compat })
    const { top, names } = await withLayers(one)
    const id = newCacheID()
    await one.driver.create(id, { parent: top })
    expect(one.calls({ ...names, [id]: 'new' })).toEqual([
      'GetLayerMountPath top',
      'CreateLayer new top',
    ])
    const first = newCacheID()
    await one.driver.create(first)
    expect(one.calls({ [first]: 'new' })).toEqual(['CreateLayer new ""'])
  })

  test('create without the parent asks for it, and makes nothing', async () => {
    await using one = await bed({ compat })
    const [id, parent] = [newCacheID(), newCacheID()]
    await expect(one.driver.create(id, { parent })).rejects.toMatchObject({
      code: 'ERR_LAYER_NOT_FOUND',
    })
    expect(one.calls({ [parent]: 'parent' })).toEqual(['GetLayerMountPath parent'])
  })

  test('createReadWrite', async () => {
    await using one = await bed({ compat })
    const { base, top, names } = await withLayers(one)
    const id = newCacheID()
    await one.driver.createReadWrite(id, { parent: top, storageOptions: { size: '20G' } })
    const layers = chain(top, base)
    const [first, ...rest] = one.calls({ ...names, [id]: 'new' })
    expect(first).toBe('GetLayerMountPath top')
    expect(rest).toEqual([
      'NameToGuid top',
      'NameToGuid base',
      compat === 'current'
        ? `CreateSandboxLayer new ${layers}`
        : `CreateSandboxLayer new top ${layers}`,
      `ExpandSandboxSize new ${20 * 2 ** 30}`,
    ])
  })

  test('mount and its end, counted', async () => {
    await using one = await bed({ compat })
    const { base, top, rw, names } = await withLayers(one)
    const mount = await one.driver.mount(rw)
    const again = await one.driver.mount(rw)
    expect(one.calls(names)).toEqual([
      'ActivateLayer rw',
      'NameToGuid top',
      'NameToGuid base',
      `PrepareLayer rw ${chain(top, base)}`,
      'GetLayerMountPath rw',
    ])
    await again[Symbol.asyncDispose]()
    expect(one.calls(names)).toEqual([])
    await mount[Symbol.asyncDispose]()
    await mount[Symbol.asyncDispose]()
    expect(one.calls(names)).toEqual(['UnprepareLayer rw', 'DeactivateLayer rw'])
  })

  test('diff of a mounted layer: shown again only behind its last byte', async () => {
    await using one = await bed({ compat })
    const { base, top, rw, names } = await withLayers(one)
    await using mount = await one.driver.mount(rw)
    await writeFile(join(mount.path, 'new.txt'), 'new')
    one.calls()
    const reader = one.driver.diff(rw, top).getReader()
    await reader.read()
    const path = expect.stringMatching(/^ExportLayer rw .*hcs/)
    const guids = ['NameToGuid top', 'NameToGuid base']
    expect(one.calls(names)).toEqual([...['UnprepareLayer rw'], ...guids, path])
    expect(one.hcs.stateOf(join(one.root, rw))).toBe('active')
    while (!(await reader.read()).done);
    expect(one.calls(names)).toEqual([...guids, `PrepareLayer rw ${chain(top, base)}`])
  })

  test('diff and changes of a layer that is not mounted', async () => {
    await using one = await bed({ compat })
    const { base, top, names } = await withLayers(one)
    const wanted = [
      'ActivateLayer top',
      'NameToGuid base',
      expect.stringMatching(/^ExportLayer top .*hcs/),
      'DeactivateLayer top',
    ]
    await bytesOf(one.driver.diff(top, base))
    expect(one.calls(names)).toEqual(wanted)
    await allOf(one.driver.changes(top, base))
    expect(one.calls(names)).toEqual(wanted)
    await one.driver.diffSize(top, base)
    expect(one.calls(names)).toEqual(wanted)
    await bytesOf(one.driver.diff(base))
    expect(one.calls(names)).toEqual(['ActivateLayer base', 'DeactivateLayer base'])
  })

  test('applyDiff', async () => {
    await using one = await bed({ compat })
    const { top, names } = await withLayers(one)
    const id = newCacheID()
    await one.driver.create(id, { parent: top })
    one.calls()
    await (await one.driver.applyDiff(id, top, [UPPER]))[Symbol.asyncDispose]()
    expect(one.calls({ ...names, [id]: 'new' })).toEqual([
      'GetLayerMountPath top',
      'NameToGuid top',
      'NameToGuid base',
      expect.stringMatching(/^ImportLayer new .*hcs/),
    ])
    const first = newCacheID()
    await one.driver.create(first)
    one.calls()
    await (await one.driver.applyDiff(first, undefined, [BASE]))[Symbol.asyncDispose]()
    expect(one.calls({ [first]: 'new' })).toEqual(['ProcessBaseImage new'])
  })

  test('remove, exists, cleanup', async () => {
    await using one = await bed({ compat })
    const { rw, names } = await withLayers(one)
    expect(await one.driver.exists(rw)).toBe(true)
    await one.driver.remove(rw)
    await one.driver.remove(rw)
    expect(await one.driver.exists(rw)).toBe(false)
    expect(await one.driver.cleanup()).toEqual([])
    expect(one.calls(names)).toEqual(['LayerExists rw', 'DestroyLayer rw', 'LayerExists rw'])
  })
})

test('by files one after another, where the service of Docker v1.11 could', async () => {
  await using one = await bed({ compat: 'v1.11', streaming: true })
  const base = await layer(one.driver, BASE)
  one.calls()
  const top = await layer(one.driver, UPPER, base)
  expect(one.calls({ [base]: 'base', [top]: 'top' }).slice(2)).toEqual([
    'GetLayerMountPath base',
    'NameToGuid base',
    `ImportLayerBegin top ${chain(base)}`,
  ])
  expect(
    (await allOf(one.driver.changes(top, base))).map(({ kind, path }) => `${kind} ${path}`),
  ).toEqual(['delete /Files/a.txt', 'modify /Files/d', 'add /Files/d/c.txt'])
  expect(one.calls({ [base]: 'base', [top]: 'top' })).toEqual([
    'ActivateLayer top',
    'NameToGuid base',
    `ExportLayerBegin top ${chain(base)}`,
    'DeactivateLayer top',
  ])
  const copy = await layer(one.driver, await bytesOf(one.driver.diff(top, base)), base)
  expect(await bytesOf(one.driver.diff(copy, base))).toEqual(
    await bytesOf(one.driver.diff(top, base)),
  )
})

/** The calls of each method, in the order in which Docker makes them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, newCacheID } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, type Bed, bed, bytesOf, layer, sandbox, tarFor, VARIANTS } from './beds.ts'

/** Chains are shown by the first four characters of their folders. */
const chain = (...ids: readonly string[]) => `[${ids.map((id) => id.slice(0, 4)).join()}]`

const GIB = 2 ** 30

describe.each(VARIANTS)('%s', (_title, variant) => {
  const { compat, flavour } = variant
  const today = compat === 'current'
  const streaming = variant.streaming === true
  const tp4 = variant.tp4 === true

  async function withLayers(one: Bed): Promise<{
    readonly base: CacheID
    readonly top: CacheID
    readonly rw: CacheID
    readonly names: Record<string, string>
  }> {
    const [base, top] = [newCacheID(), newCacheID()]
    await layer(one.driver, tarFor(variant, base, false), undefined, base)
    await layer(one.driver, tarFor(variant, top, true), base, top)
    const rw = await sandbox(one.driver, top)
    one.calls()
    return { base, top, rw, names: { [base]: 'base', [top]: 'top', [rw]: 'rw' } }
  }

  /** What the service is asked for to read a layer. */
  function exportOf(name: string, layers: string): unknown {
    if (streaming) return `ExportLayerBegin ${name} ${layers}`
    const shown = layers.replace(/[[\]]/g, '\\$&')
    return expect.stringMatching(new RegExp(`^ExportLayer ${name} .*hcs\\w+ ${shown}$`))
  }

  test('create', async () => {
    await using one = await bed(variant)
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
    await using one = await bed(variant)
    const [id, parent] = [newCacheID(), newCacheID()]
    await expect(one.driver.create(id, { parent })).rejects.toMatchObject({
      code: 'ERR_LAYER_NOT_FOUND',
    })
    expect(one.calls({ [parent]: 'parent' })).toEqual(['GetLayerMountPath parent'])
    const data = { code: 'ERR_NOT_SUPPORTED' }
    await expect(one.driver.createReadWrite(id)).rejects.toMatchObject(data)
    expect(one.calls()).toEqual([])
  })

  test('createReadWrite on a layer with files, and on one without', async () => {
    await using one = await bed(variant)
    const { base, top, rw, names } = await withLayers(one)
    for (const [parent, asked] of [
      [top, ['GetLayerMountPath top']],
      [rw, []],
    ] as const) {
      const id = newCacheID()
      await one.driver.createReadWrite(id, { parent, storageOptions: { size: '30G' } })
      const onTop = today ? '' : ' top'
      const sectors = (30 * GIB) / 512
      expect(one.calls({ ...names, [id]: 'new' })).toEqual([
        ...asked,
        'NameToGuid top',
        'NameToGuid base',
        `CreateSandboxLayer new${onTop} ${chain(top, base)}`,
        `ExpandSandboxSize new ${30 * GIB}`,
        ...(today
          ? ['Attach new', 'GetLayerMountPath new', 'SizesOf new', `Extend new ${sectors}`]
          : []),
      ])
    }
  })

  test('createReadWrite without a size: 127 GB today, what the base image has in v1.11', async () => {
    await using one = await bed(variant)
    const { top } = await withLayers(one)
    await sandbox(one.driver, top)
    const sized = one.calls().filter((call) => /^(ExpandSandboxSize|Extend) /.test(call))
    expect(sized.map((call) => call.replace(/ .* /, ' '))).toEqual(
      today ? [`ExpandSandboxSize ${127 * GIB}`, `Extend ${(127 * GIB) / 512}`] : [],
    )
  })

  test('createReadWrite as a copy', async () => {
    await using one = await bed(variant)
    const { base, top, rw, names } = await withLayers(one)
    const id = newCacheID()
    await one.driver.createReadWrite(id, { parent: top, copyOf: rw })
    expect(one.calls({ ...names, [id]: 'new' })).toEqual([
      'GetLayerMountPath top',
      'NameToGuid top',
      'NameToGuid base',
      `CreateSandboxLayer new${today ? '' : ' top'} ${chain(top, base)}`,
      'Copy rw new',
    ])
  })

  test('reset: a new disk beside it, of the same size', async () => {
    await using one = await bed(variant)
    const { base, top, rw, names } = await withLayers(one)
    await one.driver.reset(rw, top)
    expect(one.calls({ ...names, [`${rw}-resetting`]: 'fresh' })).toEqual([
      'NameToGuid top',
      'NameToGuid base',
      `CreateSandboxLayer fresh${today ? '' : ' top'} ${chain(top, base)}`,
      ...(today
        ? [
            `ExpandSandboxSize fresh ${127 * GIB}`,
            'Attach fresh',
            'GetLayerMountPath fresh',
            'SizesOf fresh',
            `Extend fresh ${(127 * GIB) / 512}`,
          ]
        : []),
      'DestroyLayer fresh',
    ])
  })

  test('a volume that is large enough is not extended', async () => {
    await using one = await bed(variant)
    const { top } = await withLayers(one)
    const storageOptions = { size: '20G' }
    await one.driver.createReadWrite(newCacheID(), { parent: top, storageOptions })
    expect(one.calls().filter((call) => call.startsWith('Extend'))).toEqual([])
  })

  test('mount and its end, counted', async () => {
    await using one = await bed(variant)
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

  test('mount of a read-only layer', async () => {
    await using one = await bed(variant)
    const { base, names } = await withLayers(one)
    await (await one.driver.mount(base, { readOnly: true }))[Symbol.asyncDispose]()
    expect(one.calls(names)).toEqual([
      'ActivateLayer base',
      'PrepareLayer base []',
      'GetLayerMountPath base',
      'UnprepareLayer base',
      'DeactivateLayer base',
    ])
  })

  test('diff of a mounted layer: shown again only behind its last byte', async () => {
    await using one = await bed(variant)
    const { base, top, rw, names } = await withLayers(one)
    await using mount = await one.driver.mount(rw)
    await writeFile(join(mount.path, 'new.txt'), 'new')
    one.calls()
    const reader = one.driver.diff(rw, top).getReader()
    await reader.read()
    const guids = ['NameToGuid top', 'NameToGuid base']
    const layers = chain(top, base)
    expect(one.calls(names)).toEqual(['UnprepareLayer rw', ...guids, exportOf('rw', layers)])
    expect(one.hcs.stateOf(join(one.root, rw))).toBe('active')
    while (!(await reader.read()).done);
    expect(one.calls(names)).toEqual([...guids, `PrepareLayer rw ${layers}`])
  })

  test('diff, changes and diffSize of a layer that is not mounted', async () => {
    await using one = await bed(variant)
    const { base, top, names } = await withLayers(one)
    const wanted = [
      'ActivateLayer top',
      'NameToGuid base',
      exportOf('top', chain(base)),
      'DeactivateLayer top',
    ]
    // TP4's tar is that of the exported folder, whatever else the service could do.
    await bytesOf(one.driver.diff(top, base))
    expect(one.calls(names)).toEqual(wanted)
    await allOf(one.driver.changes(top, base))
    expect(one.calls(names)).toEqual(wanted)
    await one.driver.diffSize(top, base)
    expect(one.calls(names)).toEqual(wanted)
  })

  test('diff, changes and diffSize of a base layer read its folder', async () => {
    await using one = await bed(variant)
    const { base, names } = await withLayers(one)
    const folder = ['ActivateLayer base', 'DeactivateLayer base']
    await bytesOf(one.driver.diff(base))
    expect(one.calls(names)).toEqual(tp4 ? [folder[0], exportOf('base', '[]'), folder[1]] : folder)
    await allOf(one.driver.changes(base))
    await one.driver.diffSize(base)
    expect(one.calls(names)).toEqual([...folder, ...folder])
  })

  test('diff of all that a read-write layer shows', async () => {
    await using one = await bed(variant)
    const { base, top, rw, names } = await withLayers(one)
    await bytesOf(one.driver.diff(rw))
    const guids = ['NameToGuid top', 'NameToGuid base']
    const layers = chain(top, base)
    expect(one.calls(names)).toEqual([
      'ActivateLayer rw',
      ...guids,
      exportOf('rw', layers),
      ...(tp4 ? [] : [exportOf('rw', layers)]),
      'DeactivateLayer rw',
    ])
  })

  test('applyDiff on a layer, and on nothing', async () => {
    await using one = await bed(variant)
    const { base, top, names } = await withLayers(one)
    const id = newCacheID()
    await one.driver.create(id, { parent: top })
    one.calls()
    const upper = tarFor(variant, id, true)
    await (await one.driver.applyDiff(id, top, [upper]))[Symbol.asyncDispose]()
    // A tar of differencing disks brings the layer's folder with it.
    const imported = streaming
      ? `ImportLayerBegin new ${chain(top, base)}`
      : expect.stringMatching(/^ImportLayer new .*hcs/)
    expect(one.calls({ ...names, [id]: 'new' })).toEqual(
      flavour === 'diff'
        ? []
        : ['GetLayerMountPath top', 'NameToGuid top', 'NameToGuid base', imported],
    )
    const first = newCacheID()
    await one.driver.create(first)
    one.calls()
    const bottom = tarFor(variant, first, false)
    await (await one.driver.applyDiff(first, undefined, [bottom]))[Symbol.asyncDispose]()
    const made = tp4 ? expect.stringMatching(/^ImportLayer new .*hcs/) : 'ProcessBaseImage new'
    expect(one.calls({ [first]: 'new' })).toEqual(flavour === 'diff' ? [] : [made])
  })

  test('files', async () => {
    await using one = await bed(variant)
    const { base, top, names } = await withLayers(one)
    await using _files = await one.driver.files(top)
    expect(one.calls(names)).toEqual(tp4 ? ['NameToGuid base', exportOf('top', chain(base))] : [])
  })

  test('remove, exists, cleanup', async () => {
    await using one = await bed(variant)
    const { rw, names } = await withLayers(one)
    expect(await one.driver.exists(rw)).toBe(true)
    await one.driver.remove(rw)
    await one.driver.remove(rw)
    expect(await one.driver.exists(rw)).toBe(false)
    expect(await one.driver.cleanup()).toEqual([])
    const destroyed = today ? 'DestroyLayer rw-removing' : 'DestroyLayer rw'
    expect(one.calls(names)).toEqual(['LayerExists rw', destroyed, 'LayerExists rw'])
  })

  test('list, sync, status and the driver’s end ask for nothing', async () => {
    await using one = await bed(variant)
    const { base, top } = await withLayers(one)
    expect(await allOf(one.driver.list())).toHaveLength(3)
    await one.driver.sync([base, top])
    await one.driver.status()
    await one.driver[Symbol.asyncDispose]()
    expect(one.calls()).toEqual([])
  })

  test('baseImages', async () => {
    await using one = await bed({ ...variant, baseImages: ['/images/nanoserver'] })
    const [image] = await one.driver.baseImages()
    const names = { [image?.id ?? '']: 'image' }
    expect(one.calls(names)).toEqual(['GetBaseImages', 'CreateLayer image ""'])
    await one.driver.baseImages()
    expect(one.calls(names)).toEqual(['GetBaseImages'])
  })
})

test('what was taken in file by file is given out the same', async () => {
  await using one = await bed({ compat: 'v1.11', streaming: true })
  const base = await layer(one.driver, BASE)
  const top = await layer(
    one.driver,
    tarFor({ compat: 'v1.11', flavour: 'filter' }, base, true),
    base,
  )
  expect(
    (await allOf(one.driver.changes(top, base))).map(({ kind, path }) => `${kind} ${path}`),
  ).toEqual(['delete /Files/a.txt', 'modify /Files/d', 'add /Files/d/c.txt'])
  const copy = await layer(one.driver, await bytesOf(one.driver.diff(top, base)), base)
  expect(await bytesOf(one.driver.diff(copy, base))).toEqual(
    await bytesOf(one.driver.diff(top, base)),
  )
})

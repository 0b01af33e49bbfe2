import { chownSync } from 'node:fs'
import { resolve } from 'node:path'
import { LayerError, toStream, wrapError } from '@varve/core'
import { openSys } from '@varve/sys'
import { tarSplit } from '@varve/tarsplit'
import type { GraphContext } from './context.ts'
import { isThere, makeDirectory } from './disk/files.ts'
import { type Layout, layoutOf } from './disk/layout.ts'
import { getDigest, setDigest } from './documents/digest.ts'
import { readTags, tagImage, untagImage } from './documents/tags.ts'
import {
  generateV1Chain,
  getV1Compatibility,
  setV1Compatibility,
} from './documents/v1-compatibility.ts'
import { type Owner, rootOwner } from './id-maps.ts'
import { create } from './images/create.ts'
import { deleteImage } from './images/delete.ts'
import { getImage, imageExists, rawJSON } from './images/get.ts'
import { isNotExist } from './images/is-not-exist.ts'
import { register } from './images/register.ts'
import { headImages, imagesByParent, mapImages, walkAll } from './images/walk.ts'
import { tarLayer } from './layers/tar-layer.ts'
import { tempLayerArchive } from './layers/temp-archive.ts'
import { Catalog } from './shared/catalog.ts'
import { Holds } from './shared/holds.ts'
import { Locks } from './shared/locks.ts'
import { recover } from './shared/recovery.ts'
import type { Graph, GraphProblem, OpenGraphOptions } from './types.ts'

/**
 * Opens a graph, a new one if there is none. What a process that died left of an image that it made
 * or removed is cleared away first. What cannot be read is among the `problems`, and stops nothing.
 *
 * @throws LayerError `ERR_PERMISSION`, `ERR_IO`; `ERR_NOT_A_STORE` without a graph, if read-only;
 *   `ERR_INVALID_ARGUMENT` (maps)
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openGraph } from '@varve/graph'
 * import { memoryDriver, tarOf } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * await using graph = await openGraph({ root, driver: memoryDriver() })
 * const image = await graph.create([tarOf([{ name: 'motd', data: 'hello' }])], { comment: 'mine' })
 * console.assert((await graph.get(image.id.slice(0, 12))).document.comment === 'mine')
 * ```
 */
export async function openGraph(options: OpenGraphOptions): Promise<Graph> {
  const { driver, readOnly = false } = options
  const sys = options.sys ?? openSys()
  const layout = layoutOf(resolve(options.root))
  prepare(layout, readOnly, rootOwner(options.uidMaps, options.gidMaps))
  const locks = new Locks(sys, layout, readOnly)
  const holds = new Holds(sys, layout, locks, readOnly)
  let leftovers: readonly GraphProblem[] = []
  if (!readOnly) {
    leftovers = await recover(layout, driver, locks)
    await locks.graph('exclusive', async () => holds.sweep())
  }
  let isOpen = true
  const ctx: GraphContext = {
    layout,
    driver,
    codec: options.codec ?? tarSplit(),
    sys,
    version: options.version ?? '1.9',
    readOnly,
    repositories: options.repositories && resolve(options.repositories),
    locks,
    catalog: new Catalog(layout, driver, locks),
    holds,
    assertOpen(attempt) {
      if (!isOpen) throw new LayerError('ERR_CLOSED', `${attempt}: the graph is closed`)
    },
  }
  await ctx.catalog.ids()
  return graphOf(ctx, leftovers, async () => {
    isOpen = false
    await holds.close()
  })
}

function graphOf(
  ctx: GraphContext,
  leftovers: readonly GraphProblem[],
  close: () => Promise<void>,
): Graph {
  const { catalog, holds, layout } = ctx
  return {
    root: layout.root,
    version: ctx.version,
    readOnly: ctx.readOnly,
    get: (prefix) => getImage(ctx, prefix),
    resolve: (prefix) => catalog.resolve(prefix),
    exists: (prefix) => imageExists(ctx, prefix),
    isNotExist,
    create: (layer, o) => create(ctx, layer, o),
    register: (image, layer, o) => register(ctx, image, layer, o),
    delete: (prefix, o) => deleteImage(ctx, prefix, o),
    map: () => mapImages(ctx),
    walkAll: () => walkAll(ctx),
    byParent: () => imagesByParent(ctx),
    hasChildren: (id) => catalog.hasChildren(id),
    heads: () => headImages(ctx),
    problems: async () => [...leftovers, ...(await catalog.problems())],
    retain: (session, ...ids) => holds.retain(session, ids),
    release: (session, ...ids) => holds.release(session, ids),
    isHeld: async (id) => holds.isHeld(id),
    tarLayer: (prefix, o) => toStream(tarLayer(ctx, prefix, o)),
    tempLayerArchive: (prefix, o) => tempLayerArchive(ctx, prefix, o),
    setDigest: (id, digest) => setDigest(ctx, id, digest),
    getDigest: async (id) => getDigest(ctx, id),
    rawJSON: async (id) => rawJSON(ctx, id),
    setV1CompatibilityConfig: (id, json) => setV1Compatibility(ctx, id, json),
    getV1CompatibilityConfig: async (id) => getV1Compatibility(ctx, id),
    generateV1CompatibilityChain: (id) => generateV1Chain(ctx, id),
    tags: async () => readTags(ctx),
    tag: (prefix, name) => tagImage(ctx, prefix, name),
    untag: (name) => untagImage(ctx, name),
    [Symbol.asyncDispose]: close,
  }
}

/** Makes what a graph needs, for its owner only. */
function prepare({ root, tmp, own, imageLocks, owners }: Layout, readOnly: boolean, owner?: Owner) {
  const attempt = `Cannot open the image graph in ${root}`
  try {
    if (readOnly) {
      if (isThere(root)) return
      throw new LayerError('ERR_NOT_A_STORE', `${attempt}: there is none`, { data: { root } })
    }
    for (const directory of [root, tmp, own, imageLocks, owners]) {
      if (isThere(directory)) continue
      makeDirectory(directory)
      if (owner) chownSync(directory, owner.uid, owner.gid)
    }
  } catch (error) {
    throw wrapError(error, attempt, { root })
  }
}

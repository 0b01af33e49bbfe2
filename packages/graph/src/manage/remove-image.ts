import { LayerError } from '@varve/core'
import type { Graph } from '../types.ts'
import { findImage } from './find.ts'

/** How {@link removeImage} removes. */
export interface RemoveImageOptions {
  /** Remove an image by its id although several tags point to it. */
  readonly force?: boolean
  /** Keep images beneath that nobody needs any more. */
  readonly keepParents?: boolean
}

/** What {@link removeImage} did. */
export interface RemovedImage {
  /** Tags that are gone. */
  readonly untagged: readonly string[]
  /** Ids of images that are gone, child first. */
  readonly deleted: readonly string[]
}

/**
 * As `docker rmi` did: takes a tag away, and with the last tag the image, and then the images
 * beneath that have neither a tag nor others on them.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`; `ERR_INVALID_ARGUMENT` for an id
 *   with several tags unless `force`; `ERR_LAYER_IN_USE` for an id that others stand on or that is
 *   held
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openGraph, removeImage } from '@varve/graph'
 * import { memoryDriver } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * const repositories = join(root, 'repositories')
 * await using graph = await openGraph({ root, repositories, driver: memoryDriver() })
 * const { id } = await graph.create(undefined)
 * await graph.tag(id, 'demo:1')
 * const removed = await removeImage(graph, 'demo:1')
 * console.assert(removed.untagged[0] === 'demo:1' && removed.deleted[0] === id)
 * ```
 */
export async function removeImage(
  graph: Graph,
  ref: string,
  { force = false, keepParents = false }: RemoveImageOptions = {},
): Promise<RemovedImage> {
  const { id, tag } = await findImage(graph, ref)
  const tags = await tagsOf(graph, id)
  if (tag !== undefined) {
    await graph.untag(tag)
    const stays = tags.length > 1 || (await graph.hasChildren(id))
    return { untagged: [tag], deleted: stays ? [] : await deleteChain(graph, id, keepParents) }
  }
  if (tags.length > 1 && !force) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot remove image ${id}: it has several tags`, {
      data: { id, tags },
      hint: 'Remove it by its tags, or force it',
    })
  }
  // The image first: if it cannot go, its tags stay.
  const deleted = await deleteChain(graph, id, keepParents)
  for (const name of tags) await graph.untag(name)
  return { untagged: tags, deleted }
}

async function tagsOf(graph: Graph, id: string): Promise<string[]> {
  return [...(await graph.tags())].flatMap(([tag, of]) => (of === id ? [tag] : []))
}

async function deleteChain(graph: Graph, id: string, keepParents: boolean): Promise<string[]> {
  const deleted: string[] = []
  for (let at: string | undefined = id; at !== undefined; ) {
    const parent = await parentOf(graph, at)
    await graph.delete(at)
    deleted.push(at)
    at = !keepParents && parent !== undefined && (await isIdle(graph, parent)) ? parent : undefined
  }
  return deleted
}

/** A damaged image has none that is known. */
async function parentOf(graph: Graph, id: string): Promise<string | undefined> {
  return (await graph.exists(id)) ? (await graph.get(id)).parent : undefined
}

async function isIdle(graph: Graph, id: string): Promise<boolean> {
  if (!(await graph.exists(id)) || (await graph.hasChildren(id))) return false
  return (await tagsOf(graph, id)).length === 0 && !(await graph.isHeld(id))
}

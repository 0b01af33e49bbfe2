import { LayerError } from '@varve/core'
import { familiarName, parseReference } from '@varve/image'
import type { Graph, GraphImage } from '../types.ts'

/** What a user's word for an image turned out to be. */
export interface FoundImage {
  readonly id: string
  /** The tag, if it was found by one. */
  readonly tag: string | undefined
}

/**
 * The image that a user means by a tag (`alpine`, `alpine:3.2`), or by an id or its beginning; a tag
 * goes first, as with Docker. A damaged image is found too.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`, `ERR_CORRUPT_METADATA` (tags)
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { findImage, openGraph } from '@varve/graph'
 * import { memoryDriver } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * const repositories = join(root, 'repositories')
 * await using graph = await openGraph({ root, repositories, driver: memoryDriver() })
 * const { id } = await graph.create(undefined)
 * await graph.tag(id, 'demo:1')
 * console.assert((await findImage(graph, 'demo:1')).id === id)
 * console.assert((await findImage(graph, id.slice(0, 12))).tag === undefined)
 * ```
 */
export async function findImage(graph: Graph, ref: string): Promise<FoundImage> {
  const tags = await graph.tags()
  for (const tag of [ref, familiar(ref)]) {
    const id = tag === undefined ? undefined : tags.get(tag)
    if (id !== undefined) return { id: await graph.resolve(id), tag }
  }
  try {
    return { id: await graph.resolve(ref), tag: undefined }
  } catch (error) {
    if (!LayerError.is(error, 'ERR_IMAGE_NOT_FOUND')) throw error
    throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${ref}: there is none`, {
      cause: error,
      data: { ref },
      hint: 'varve graph ls -a lists all images',
    })
  }
}

function familiar(ref: string): string | undefined {
  try {
    return familiarName(parseReference(ref))
  } catch (error) {
    if (LayerError.is(error, 'ERR_INVALID_ARGUMENT')) return undefined
    throw error
  }
}

/**
 * An image and all beneath it, base last.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND` if one is missing; `ERR_CORRUPT_METADATA` if one is
 *   damaged, or stands on itself
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { ancestry, openGraph } from '@varve/graph'
 * import { memoryDriver } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * await using graph = await openGraph({ root, driver: memoryDriver() })
 * const base = await graph.create(undefined)
 * const top = await graph.create(undefined, { containerID: 'c', containerImage: base.id })
 * const steps = await ancestry(graph, top.id)
 * console.assert(steps.map((image) => image.id).join() === `${top.id},${base.id}`)
 * ```
 */
export async function ancestry(graph: Graph, id: string): Promise<readonly GraphImage[]> {
  const chain: GraphImage[] = []
  const seen = new Set<string>()
  for (let at: string | undefined = id; at !== undefined; ) {
    if (seen.has(at)) {
      throw new LayerError(
        'ERR_CORRUPT_METADATA',
        `Cannot read image ${id}: ${at} stands on itself`,
        {
          data: { id, at },
        },
      )
    }
    seen.add(at)
    const image: GraphImage = await graph.get(at)
    chain.push(image)
    at = image.parent
  }
  return chain
}

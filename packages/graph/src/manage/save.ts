import { type CallOptions, toStream } from '@varve/core'
import { familiarRepository, parentOfV1, parseReference } from '@varve/image'
import { encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
import { encodeDocument } from '../disk/image-file.ts'
import type { Graph, GraphImage } from '../types.ts'
import { ancestry, findImage } from './find.ts'

const text = new TextEncoder()
/** Version of the directories of an archive (moby `image/spec/v1.md`). */
const VERSION = '1.0'

/**
 * Images as the archive that `docker save` wrote before 1.10, with all beneath them: each tagged if
 * it was named by its tag. Equal images give equal bytes. Every `docker load` since 0.7 reads it,
 * and so does varve's `load`.
 *
 * @param refs tags, ids or their beginnings
 * @throws LayerError, by the stream, `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`,
 *   `ERR_CORRUPT_METADATA`, and what `Graph.tarLayer` throws
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openGraph, saveV1Archive } from '@varve/graph'
 * import { memoryDriver } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * await using graph = await openGraph({ root, driver: memoryDriver() })
 * const { id } = await graph.create(undefined)
 * let size = 0
 * for await (const chunk of saveV1Archive(graph, [id])) size += chunk.length
 * console.assert(size % 512 === 0)
 * ```
 */
export function saveV1Archive(
  graph: Graph,
  refs: readonly string[],
  options: CallOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(archiveBytes(graph, refs, options))
}

async function* archiveBytes(
  graph: Graph,
  refs: readonly string[],
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  const repositories: Record<string, Record<string, string>> = {}
  const images = new Map<string, GraphImage>()
  for (const ref of refs) {
    const { id, tag } = await findImage(graph, ref)
    for (const image of await ancestry(graph, id)) images.set(image.id, image)
    if (tag === undefined) continue
    const reference = parseReference(tag)
    const name = familiarRepository(reference)
    repositories[name] = { ...repositories[name], [reference.tag ?? 'latest']: id }
  }
  for (const image of images.values()) yield* imageEntries(graph, image, options)
  // Docker 20.10 takes none without it, also where there are no tags.
  yield* file('repositories', JSON.stringify(repositories), 0)
  yield endOfArchive()
}

/** The directory of one image. Its layer is buffered first: a tar says sizes in front. */
async function* imageEntries(
  graph: Graph,
  image: GraphImage,
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  const { id, document } = image
  const created = Date.parse(document.created ?? '')
  const time = Number.isNaN(created) ? 0 : Math.max(0, Math.floor(created / 1000))
  yield header(`${id}/`, undefined, time)
  yield* file(`${id}/VERSION`, VERSION, time)
  yield* file(`${id}/json`, await documentOf(graph, image), time)
  await using layer = await graph.tempLayerArchive(id, options)
  yield header(`${id}/layer.tar`, layer.size, time)
  yield* layer.read()
  yield paddingFor(layer.size)
}

/** The document as it is, if it names itself and the image beneath as an archive must. */
async function documentOf(
  graph: Graph,
  { id, parent, document }: GraphImage,
): Promise<string | Uint8Array> {
  const named = parentOfV1({ parent: document.parent }, { what: `image ${id}` })
  if (document.id === id && named === parent) return await graph.rawJSON(id)
  const { parent: _, parent_id: __, layer_id: ___, ...rest } = document
  return encodeDocument({ ...rest, id, ...(parent === undefined ? {} : { parent }) })
}

function* file(name: string, content: string | Uint8Array, time: number): Generator<Uint8Array> {
  const bytes = typeof content === 'string' ? text.encode(content) : content
  yield header(name, bytes.length, time)
  yield bytes
  yield paddingFor(bytes.length)
}

function header(name: string, size: number | undefined, time: number): Uint8Array {
  return encodeHeader({
    type: size === undefined ? 'directory' : 'file',
    name: text.encode(name),
    mode: size === undefined ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    mtime: { sec: time, nsec: 0 },
    ...(size === undefined ? {} : { size }),
  })
}

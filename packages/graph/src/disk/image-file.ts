import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { isV1ID, parentOfV1, parseV1Image, type V1Image } from '@varve/image'
import { damaged } from './damaged.ts'
import { isThere, readIfThere, readText } from './files.ts'
import { IMAGE_FILE, type Layout } from './layout.ts'

/** What an image is called, what it stands on, and what its document says. */
export interface Identity {
  readonly id: string
  readonly parent: string | undefined
  readonly document: V1Image
}

/**
 * Reads an image's document, and finds the parent: the `parent` file, then `parent` of the
 * document, then its `parent_id` (Docker 1.9, `graph.go`).
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_CORRUPT_METADATA`
 */
export function readIdentity(layout: Layout, id: string): Identity {
  const directory = layout.image(id)
  const name = { what: `image ${id}`, code: 'ERR_CORRUPT_METADATA' } as const
  const json = readIfThere(join(directory, IMAGE_FILE.json))
  if (!json) throw isThere(directory) ? damaged(id, 'it has no document') : notFound(id)
  const document = parseV1Image(json, name)
  // Docker 1.9 may leave the id out; another one is the sign of a directory that was copied.
  if (document.id !== undefined && document.id !== id) {
    throw damaged(id, `its document is that of ${JSON.stringify(document.id.slice(0, 100))}`)
  }
  const file = readText(join(directory, IMAGE_FILE.parent)) || undefined
  if (file !== undefined && !isV1ID(file)) throw damaged(id, 'its parent is no image id')
  return { id, parent: file ?? parentOfV1(document, name), document }
}

/** Bytes of an image's layer as they were counted; undefined if nobody has counted them. */
export function readSize(layout: Layout, id: string): number | undefined {
  const text = readText(join(layout.image(id), IMAGE_FILE.size))
  if (text === undefined) return undefined
  const size = Number(text)
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(size)) return size < 0 ? undefined : size
  throw damaged(id, 'its layersize is no number')
}

/** No image of that id. */
export function notFound(id: string): LayerError {
  return new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${id}: there is none`, {
    data: { id },
  })
}

/** Members of a document in the order of Docker's struct (1.9, `image/image.go`). */
const MEMBERS = [
  'id',
  'parent',
  'parent_id',
  'layer_id',
  'comment',
  'created',
  'container',
  'container_config',
  'docker_version',
  'author',
  'config',
  'architecture',
  'os',
  'Size',
] as const

/** A document as Docker writes it: empty members are left out, unknown ones are kept. */
export function encodeDocument(document: V1Image): string {
  const members: Record<string, unknown> = {}
  for (const name of MEMBERS) if (document[name]) members[name] = document[name]
  for (const [name, value] of Object.entries(document)) {
    if (!(MEMBERS as readonly string[]).includes(name)) members[name] = value
  }
  return JSON.stringify(members)
}

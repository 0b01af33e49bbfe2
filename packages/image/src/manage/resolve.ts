import { isDigest, LayerError } from '@varve/core'
import { listImageIDs } from '../disk/config-files.ts'
import type { ImageFiles } from '../disk/image-files.ts'
import type { TagTable } from '../disk/tag-table.ts'
import { parseReference, type Reference } from '../reference.ts'
import type { ImageID } from '../types/image.ts'

/** What a ref meant. */
export interface Resolved {
  readonly id: ImageID
  /** The name by which it was found; undefined if by its id. */
  readonly name: Reference | undefined
}

/**
 * Finds an image by tag, name with digest, id or unique prefix of the id. As for Docker a tag
 * comes before a prefix.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`
 */
export async function resolve(files: ImageFiles, tags: TagTable, ref: string): Promise<Resolved> {
  const ids = await listImageIDs(files.paths)
  if (!isDigest(ref)) {
    const name = tryReference(ref)
    const target = name && tags.get(name)
    if (target && ids.includes(target)) return { id: target, name }
  }
  const prefix = /^(?:sha256:)?([a-f0-9]{1,64})$/.exec(ref)?.[1]
  const matches = prefix === undefined ? [] : ids.filter((id) => id.startsWith(`sha256:${prefix}`))
  const [id, ...more] = matches
  if (id && more.length === 0) return { id, name: undefined }
  const shown = JSON.stringify(ref.slice(0, 300))
  if (id) {
    throw new LayerError('ERR_AMBIGUOUS_ID', `Cannot tell which image ${shown} is`, {
      data: { matches },
      hint: 'Give more digits of the id',
    })
  }
  throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${shown}`, {
    data: { ref },
    hint: 'See "varve images"',
  })
}

function tryReference(text: string): Reference | undefined {
  try {
    return parseReference(text)
  } catch (error) {
    if (LayerError.is(error, 'ERR_INVALID_ARGUMENT')) return undefined
    throw error
  }
}

import { LayerError } from '@varve/core'
import { parentOfV1, parseV1Image, type V1Image } from '@varve/image'
import { encodeDocument } from '../disk/image-file.ts'
import { assertID } from '../disk/layout.ts'
import type { GraphVersion, ImageDescriptor } from '../types.ts'

/** An image to be registered, as far as it is known before its layer was read. */
export interface Registration {
  readonly id: string
  readonly parent: string | undefined
  /** The `json` to write. */
  readonly json: (size: number) => string | Uint8Array
  /** The `parent` file to write, for a document that does not name the parent itself. */
  readonly parentFile: string | undefined
}

/**
 * What an image or a descriptor says, checked.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT`, `ERR_INVALID_IMAGE`, `ERR_LIMIT_EXCEEDED`
 */
export function describeRegistration(
  input: V1Image | ImageDescriptor,
  version: GraphVersion,
): Registration {
  const given = isDescriptor(input) ? input : undefined
  const id = assertID(given?.id ?? (input as V1Image).id ?? '')
  const name = { what: `image ${id}` }
  const document = given ? parseV1Image(given.json, name) : (input as V1Image)
  if (document.id !== undefined && document.id !== id) {
    throw mismatch(id, `its document is that of ${document.id.slice(0, 100)}`)
  }
  const named = parentOfV1(document, name)
  const parent = given?.parent === undefined ? named : assertID(given.parent)
  if (parent === id) throw mismatch(id, 'it would stand on itself')
  if (version === '1.7') {
    // This graph writes the document itself, so it names what is so.
    const whole = { ...document, id, ...(parent === undefined ? {} : { parent }) }
    const json = (size: number): string => `${encodeDocument({ ...whole, Size: size })}\n`
    return { id, parent, json, parentFile: undefined }
  }
  const json = given?.json ?? encodeDocument(document)
  const parentFile = parent === named ? undefined : parent
  return { id, parent, json: () => json, parentFile }
}

function isDescriptor(input: V1Image | ImageDescriptor): input is ImageDescriptor {
  return 'json' in input && input.json instanceof Uint8Array
}

function mismatch(id: string, why: string): LayerError {
  return new LayerError('ERR_INVALID_ARGUMENT', `Cannot register image ${id}: ${why}`, {
    data: { id },
  })
}

import { LayerError } from '@varve/core'
import { familiarName, parseReference } from '../reference.ts'

/** Name of the image in full; containerd's `images.AnnotationImageName`. */
export const CONTAINERD_NAME = 'io.containerd.image.name'
/** Tag or name (OCI image spec, "Pre-Defined Annotation Keys"). */
export const OCI_REF_NAME = 'org.opencontainers.image.ref.name'

/**
 * The tag that an index entry's annotations give it, familiar; undefined if none does.
 *
 * A `ref.name` that is only a tag, as umoci and skopeo write it, is a tag of `repository`, the
 * archive's own name; so their `oci:alpine:3.20` is `alpine:3.20` here too.
 *
 * @throws LayerError `ERR_INVALID_IMAGE` for a containerd name that is no name
 */
export function tagOfAnnotations(
  annotations: Readonly<Record<string, string>>,
  repository: string | undefined,
): string | undefined {
  const full = annotations[CONTAINERD_NAME]
  if (full) return toTag(full)
  const name = annotations[OCI_REF_NAME]
  if (!name) return undefined
  // Free text by the specification, so what is no name is no fault either.
  const guess = /[/:]/.test(name) ? name : repository && `${repository}:${name}`
  return guess ? tryTag(guess) : undefined
}

/** A name from an archive as a familiar tag. @throws LayerError `ERR_INVALID_IMAGE` */
export function toTag(name: string): string {
  try {
    const reference = parseReference(name)
    if (reference.tag !== undefined) return familiarName({ ...reference, digest: undefined })
  } catch (cause) {
    const shown = JSON.stringify(name.slice(0, 300))
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot read image: ${shown} is no name`, { cause })
  }
  throw new LayerError('ERR_INVALID_IMAGE', `Cannot read image: ${name} has no tag`)
}

function tryTag(name: string): string | undefined {
  try {
    return toTag(name)
  } catch (error) {
    if (LayerError.is(error, 'ERR_INVALID_IMAGE')) return undefined
    throw error
  }
}

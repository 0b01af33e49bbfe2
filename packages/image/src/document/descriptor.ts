import type { Descriptor } from '@varve/core'
import type { ParsedDescriptor } from './schemas.ts'

/** What of a descriptor is kept with a layer. */
export function toDescriptor(parsed: ParsedDescriptor): Descriptor {
  const { mediaType, digest, size, urls, annotations } = parsed
  return {
    mediaType,
    digest,
    size,
    ...(urls ? { urls } : {}),
    ...(annotations ? { annotations } : {}),
  }
}

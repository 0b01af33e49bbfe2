import { type Descriptor, isDigest } from '@varve/core'

/** Compact JSON in the order of the OCI image spec's `Descriptor`. */
export function encodeDescriptor(descriptor: Descriptor): string {
  const { mediaType, digest, size, urls, annotations, platform } = descriptor
  return JSON.stringify({ mediaType, digest, size, urls, annotations, platform })
}

/**
 * A descriptor from the JSON that Docker or varve wrote. Go leaves out what is empty or zero.
 *
 * @returns undefined if it names no SHA-256 digest; a text saying what is wrong with it
 */
export function parseDescriptor(json: string): Descriptor | string | undefined {
  if (json.trim() === '') return 'is empty'
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'is no JSON'
  }
  if (!isObject(value)) return 'is no JSON object'
  const { mediaType = '', digest = '', size = 0, urls, annotations, platform } = value
  if (typeof mediaType !== 'string') return 'has a media type that is no text'
  if (typeof digest !== 'string') return 'has a digest that is no text'
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return 'has a wrong size'
  if (urls !== undefined && urls !== null && !isTexts(urls)) return 'has wrong URLs'
  if (annotations !== undefined && annotations !== null) {
    if (!isObject(annotations) || !isTexts(Object.values(annotations))) {
      return 'has wrong annotations'
    }
  }
  if (platform !== undefined && platform !== null && !isObject(platform)) {
    return 'has a wrong platform'
  }
  if (!isDigest(digest)) {
    const known = digest === '' || /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(digest)
    return known && !digest.startsWith('sha256:') ? undefined : 'has a wrong digest'
  }
  return {
    mediaType,
    digest,
    size,
    ...(urls ? { urls } : {}),
    ...(annotations ? { annotations: annotations as Record<string, string> } : {}),
    ...(platform ? { platform } : {}),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

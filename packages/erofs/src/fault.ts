import { type ErrorCode, LayerError } from '@varve/core/errors'

const decoder = new TextDecoder()

/** Bytes of a name as a message can show them. */
export function shown(name: Uint8Array): string {
  const text = decoder.decode(name)
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}

function ofEntry(code: ErrorCode, name: Uint8Array, why: string, hint?: string): LayerError {
  return new LayerError(code, `Cannot apply ${shown(name)}: ${why}`, {
    data: { name: decoder.decode(name) },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** `ERR_INVALID_TAR` for an entry. */
export function invalid(name: Uint8Array, why: string): LayerError {
  return ofEntry('ERR_INVALID_TAR', name, why)
}

/** `ERR_UNSAFE_PATH` for an entry. */
export function unsafe(name: Uint8Array, why: string): LayerError {
  const hint = 'The layer is malicious or was made by a faulty tool; it was not applied'
  return ofEntry('ERR_UNSAFE_PATH', name, why, hint)
}

/** `ERR_LIMIT_EXCEEDED`: the layer asks for more than `limit` of something. */
export function tooMuch(what: string, limit: number): LayerError {
  return new LayerError(
    'ERR_LIMIT_EXCEEDED',
    `Cannot apply layer: it has more than ${limit} ${what}`,
    { data: { limit } },
  )
}

/** `ERR_CORRUPT_LAYER`: an image that cannot be read. */
export function corrupt(why: string, data: Readonly<Record<string, unknown>> = {}): LayerError {
  return new LayerError('ERR_CORRUPT_LAYER', `Cannot read EROFS image: ${why}`, { data })
}

import { LayerError } from '@varve/core'
import * as v from 'valibot'

/**
 * The largest JSON document that is read. Registries refuse manifests above 4 MiB (OCI
 * distribution spec, "Pushing manifests"); configurations with long histories stay far below.
 */
export const MAX_JSON_BYTES: number = 8 * 1024 * 1024
/** No image document nests deeper than about ten levels; parsers that recurse stay safe. */
const MAX_DEPTH = 64

/** What a document is, for messages and for the code of the error. */
export interface DocumentName {
  /** As in `Cannot read {what}`. */
  readonly what: string
  /** Default `ERR_INVALID_IMAGE`. */
  readonly code?: 'ERR_INVALID_IMAGE' | 'ERR_CORRUPT_METADATA'
}

/**
 * Bytes as a JSON document of a given form, within limits of size and depth.
 *
 * @throws LayerError `ERR_LIMIT_EXCEEDED`, or the name's code
 */
export function parseDocument<S extends v.GenericSchema>(
  bytes: Uint8Array,
  schema: S,
  { what, code = 'ERR_INVALID_IMAGE' }: DocumentName,
): v.InferOutput<S> {
  if (bytes.length > MAX_JSON_BYTES) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${what}: it is too large`, {
      data: { size: bytes.length, limit: MAX_JSON_BYTES },
    })
  }
  if (depthOf(bytes) > MAX_DEPTH) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${what}: it is nested too deeply`, {
      data: { limit: MAX_DEPTH },
    })
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    throw new LayerError(code, `Cannot read ${what}: it is not JSON (${text})`, { cause })
  }
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const issue = result.issues[0]
  const at = v.getDotPath(issue)
  const why = at === null ? issue.message : `${at}: ${issue.message}`
  throw new LayerError(code, `Cannot read ${what}: ${why}`, { data: { at } })
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** How deep brackets nest outside strings. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}

/** A value as compact JSON, UTF-8, without a newline at the end. */
export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

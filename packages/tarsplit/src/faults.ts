import { LayerError } from '@varve/core/errors'

/** The error for a record that is not what a packer writes. */
export function corruptRecord(why: string, data: Record<string, unknown> = {}): LayerError {
  return new LayerError('ERR_CORRUPT_RECORD', `Cannot read tar-split record: ${why}`, { data })
}

/** The error for a payload that is not what the record says. */
export function corruptPayload(name: Uint8Array, why: string): LayerError {
  const text = new TextDecoder().decode(name)
  return new LayerError('ERR_CORRUPT_LAYER', `Cannot assemble tar: file “${text}” ${why}`, {
    data: { name: text },
  })
}

/** Throws `ERR_ABORTED` if `signal` was aborted. */
export function checkSignal(signal: AbortSignal | undefined, attempt: string): void {
  if (!signal?.aborted) return
  throw new LayerError('ERR_ABORTED', `${attempt}: interrupted`, { cause: signal.reason })
}

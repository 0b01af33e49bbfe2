import { LayerError } from '@varve/core'
import { parseSize } from './size.ts'

/** What a read-write layer may be told; what is undefined was not. */
export interface StorageOptions {
  /** Bytes that it may have of its own; 0 for no limit. */
  readonly size?: number
  /** Whether it may be lost when the machine stops. */
  readonly volatile?: boolean
}

/**
 * Docker's `--storage-opt`s of overlay2, whose names are in any case, and one of ours.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` for an unknown one, `ERR_INVALID_ARGUMENT` for a bad value
 */
export function parseStorageOptions(options: Readonly<Record<string, string>>): StorageOptions {
  let parsed: StorageOptions = {}
  for (const [key, value] of Object.entries(options)) {
    const name = key.toLowerCase()
    if (name === 'size') parsed = { ...parsed, size: parseSize(value) }
    else if (name === 'volatile') parsed = { ...parsed, volatile: parseFlag(key, value) }
    else throw unknownOption(key)
  }
  return parsed
}

function parseFlag(key: string, value: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true'
  const message = `Cannot use ${key} "${value}": it is neither true nor false`
  throw new LayerError('ERR_INVALID_ARGUMENT', message, { data: { option: key, value } })
}

function unknownOption(option: string): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot create a layer: no option "${option}"`, {
    data: { option },
    hint: 'The overlay driver has the storage options size and volatile',
  })
}

import { LayerError } from '@varve/core'
import { shown } from '../safe-root/binary.ts'

const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/

/**
 * A name from a tar as a path below the root: leading and doubled slashes, `.` and inner `..` gone
 * (rule 1). The root is the empty string.
 *
 * @throws LayerError `ERR_UNSAFE_PATH` for one that begins with `..` even so (rule 2),
 *   `ERR_LIMIT_EXCEEDED` for one longer than `limit`
 */
export function cleanEntryName(raw: string, limit: number): string {
  if (raw.length > limit) {
    throw new LayerError(
      'ERR_LIMIT_EXCEEDED',
      `Cannot apply layer: a name of ${raw.length} bytes is longer than ${limit}`,
      { data: { length: raw.length, limit } },
    )
  }
  let path = raw.startsWith('./') ? raw.slice(2) : raw
  if (path.endsWith('/')) path = path.slice(0, -1)
  if (!UNCLEAN.test(path)) return path
  const kept: string[] = []
  for (const part of raw.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') kept.push(part)
    else if (kept.pop() === undefined) throw unsafe(raw, 'it leads out of the layer')
  }
  return kept.join('/')
}

/** `ERR_UNSAFE_PATH` for a name in a tar. */
export function unsafe(name: string, why: string): LayerError {
  return new LayerError('ERR_UNSAFE_PATH', `Cannot apply ${shown(name)}: ${why}`, {
    data: { name: shown(name) },
    hint: 'The layer is malicious or was made by a faulty tool; it was not applied',
  })
}

/** `ERR_INVALID_TAR` for an entry. */
export function invalid(name: string, why: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot apply ${shown(name)}: ${why}`, {
    data: { name: shown(name) },
  })
}

import { join } from 'node:path'
import { type Annotations, LayerError } from '@varve/core'
import { readSmallFile } from './files.ts'
import { MOUNT_FILE } from './layout.ts'

const LIMIT = 64 << 10

/** @throws LayerError `ERR_LIMIT_EXCEEDED` */
export function encodeAnnotations(annotations: Annotations): string {
  const text = JSON.stringify(annotations)
  const size = Buffer.byteLength(text)
  if (size <= LIMIT) return text
  throw new LayerError(
    'ERR_LIMIT_EXCEEDED',
    `Cannot keep annotations of ${size} bytes: at most ${LIMIT} are kept`,
    { data: { size, limit: LIMIT } },
  )
}

/**
 * Those of a read-write layer. Its files do not depend on them, so that it is not lost for notes
 * that somebody damaged: they are as good as none.
 */
export function readAnnotations(dir: string): Annotations | undefined {
  const bytes = readSmallFile(join(dir, MOUNT_FILE.annotations), LIMIT)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    return isAnnotations(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isAnnotations(value: unknown): value is Annotations {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string')
  )
}

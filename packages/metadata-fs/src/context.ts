import { LayerError, wrapError } from '@varve/core'
import type { Sys } from '@varve/sys'
import type { Layout } from './layout.ts'
import type { Marks } from './marks.ts'
import type { Owner } from './owner.ts'
import type { Revision } from './revision.ts'
import type { StoreLock } from './store-lock.ts'

/** What the parts of one opened store share. */
export interface Context {
  readonly sys: Sys
  readonly layout: Layout
  readonly lock: StoreLock
  readonly revision: Revision
  readonly marks: Marks
  /** gzip's, for tar-split records. */
  readonly level: number
  /** Throws `ERR_CLOSED` if the store is closed, `ERR_PERMISSION` if it may not be changed. */
  readonly writer: (attempt: string) => Owner
}

/** Runs a step; whatever it throws says what was attempted. */
export async function attempting<T>(attempt: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw wrapError(error, attempt)
  }
}

/** The metadata at `path` is damaged. */
export function corrupt(
  kind: 'layer' | 'mount',
  subject: string,
  path: string,
  reason: string,
): LayerError {
  const what = kind === 'layer' ? 'layer' : 'read-write layer'
  return new LayerError(
    'ERR_CORRUPT_METADATA',
    `Cannot read ${what} ${subject}: ${reason} (in ${path})`,
    {
      data: { kind, subject, path, reason },
      hint: 'Run varve check --repair, then load the image again',
    },
  )
}

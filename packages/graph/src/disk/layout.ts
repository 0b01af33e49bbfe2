import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { isV1ID } from '@varve/image'

/** Names of an image's files (Docker 1.7 and 1.9, `graph/graph.go`). */
export const IMAGE_FILE = {
  json: 'json',
  size: 'layersize',
  digest: 'checksum',
  record: 'tar-data.json.gz',
  v1Compatibility: 'v1Compatibility',
  parent: 'parent',
} as const satisfies Readonly<Record<string, string>>

/** Modes of Docker's graph: nobody but its owner looks into it. */
export const DIRECTORY_MODE = 0o700
export const FILE_MODE = 0o600

/** Where a graph keeps what; all but `own` and its content is Docker's. */
export interface Layout {
  readonly root: string
  /** What is being made or removed: `<id>/`, and files without a name. */
  readonly tmp: string
  /** Ours: locks, owners, revision. Docker passes it over, as its driver knows no such layer. */
  readonly own: string
  readonly lock: string
  readonly revision: string
  /** A lock file for each image that somebody works on. */
  readonly imageLocks: string
  /** A locked file for each process that holds images, and what it holds. */
  readonly owners: string
  /** An image's directory. */
  image(id: string): string
  /** Where an image is made, and where it goes to be removed. */
  staging(id: string): string
}

/** The layout of a graph's directory. */
export function layoutOf(root: string): Layout {
  const own = join(root, '_varve')
  const tmp = join(root, '_tmp')
  return {
    root,
    tmp,
    own,
    lock: join(own, 'lock'),
    revision: join(own, 'revision'),
    imageLocks: join(own, 'locks'),
    owners: join(own, 'owners'),
    image: (id) => join(root, assertID(id)),
    staging: (id) => join(tmp, assertID(id)),
  }
}

/** `id`, if it may become part of a path. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function assertID(id: string): string {
  if (isV1ID(id)) return id
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot use ${JSON.stringify(id.slice(0, 300))} as an image id`,
    { hint: 'An id is 64 lower-case hex digits' },
  )
}

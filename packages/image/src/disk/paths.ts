import { join } from 'node:path'
import { type Digest, hexOf, LayerError } from '@varve/core'
import type { ImageID } from '../types/image.ts'

/** Where everything of an image store is. */
export interface ImagePaths {
  /** `imagedb/content/sha256`: a configuration for each image, named by its digest. */
  readonly configs: string
  /** `imagedb/metadata/sha256`: a directory for each image that something more is known of. */
  readonly metadata: string
  readonly repositories: string
  /** Our own directory; Docker neither reads nor removes it. */
  readonly own: string
  /** Manifests that images came with, named by the image. */
  readonly manifests: string
  /** Original blobs, named by their digest. */
  readonly blobs: string
  /** Sizes of layer tars, named by DiffID. */
  readonly tarSizes: string
  /** A directory for each change under way. */
  readonly work: string
  /** Held while tags or images change. */
  readonly lock: string
  /** Held, shared, while anything is under way in `work`. */
  readonly activity: string
  readonly config: (id: ImageID) => string
  readonly metadataOf: (id: ImageID) => string
  readonly manifest: (id: ImageID) => string
  readonly blob: (digest: Digest) => string
}

/**
 * Docker's layout (moby, `image/fs.go` and `reference/store.go`), and ours in `varve` beside it.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` for a driver name that is no plain name
 */
export function imagePaths(root: string, driver: string): ImagePaths {
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(driver)) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use ${JSON.stringify(driver)} as a driver`)
  }
  const image = join(root, 'image', driver)
  const own = join(root, 'varve', 'images', driver)
  const configs = join(image, 'imagedb', 'content', 'sha256')
  const metadata = join(image, 'imagedb', 'metadata', 'sha256')
  const manifests = join(own, 'manifests')
  const blobs = join(own, 'blobs', 'sha256')
  return {
    configs,
    metadata,
    repositories: join(image, 'repositories.json'),
    own,
    manifests,
    blobs,
    tarSizes: join(own, 'tar-sizes'),
    work: join(own, 'work'),
    lock: join(own, 'lock'),
    activity: join(own, 'activity'),
    config: (id) => join(configs, hexOf(id)),
    metadataOf: (id) => join(metadata, hexOf(id)),
    manifest: (id) => join(manifests, hexOf(id)),
    blob: (digest) => join(blobs, hexOf(digest)),
  }
}

import { LayerError } from '@varve/core'
import type { Features, Marks, Mounter, MountPoints } from '@varve/overlayfs'
import type { NativeCalls, Sys } from '@varve/sys'
import type { Asides, Trees } from '@varve/trees'
import type { Home } from './home.ts'
import type { TreeCache } from './image/tree-cache.ts'
import type { Verity } from './image/verity.ts'
import type { ImageMethod, ImageMounter } from './mounting/image-mounter.ts'

/** What was found out about this kernel and file system. */
export interface ErofsFeatures extends Features {
  readonly images: ImageMethod
}

/** What layers are mounted with. */
export interface Mounting {
  readonly native: NativeCalls
  readonly features: ErofsFeatures
  readonly marks: Marks
  readonly overlays: Mounter
  readonly images: ImageMounter
  readonly mounts: MountPoints
  readonly scratch: Asides
}

/** What an open driver is made of. */
export interface Parts {
  readonly home: Home
  readonly sys: Sys
  readonly trees: Trees
  readonly cache: TreeCache
  /** Undefined if new images are not put under fs-verity. */
  readonly verity: Verity | undefined
  /** Undefined where nothing is mounted. */
  readonly mounting: Mounting | undefined
}

/** @throws LayerError `ERR_NOT_SUPPORTED` where nothing is mounted */
export function mountingOf({ mounting }: Parts, attempt: string): Mounting {
  if (mounting) return mounting
  throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: the driver was opened without mounts`, {
    hint: 'Run as root on a Linux with EROFS',
  })
}

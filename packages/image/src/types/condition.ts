import type { ByteSource, CallOptions, ChainID, DiffID } from '@varve/core'
import type { Image } from './image.ts'

/** Where the space went, in bytes. */
export interface DiskUsage {
  readonly images: readonly (Image & {
    /** Bytes of layers that other images use too. */
    readonly shared: number
    /** Bytes of layers that only this image uses. */
    readonly unique: number
  })[]
  /** Every layer, each counted once; `images` says how many images need it. */
  readonly layers: readonly {
    readonly chainID: ChainID
    readonly diffID: DiffID
    readonly size: number
    readonly images: number
  }[]
  /** Kept original blobs. */
  readonly blobs: { readonly count: number; readonly size: number; readonly unused: number }
  /** Layers in all. */
  readonly total: number
  /** What `prune` would free: untagged images, layers and blobs that no image needs. */
  readonly reclaimable: number
}

/** Something that {@link ImageStore.check} found. */
export interface ImageProblem {
  readonly kind:
    | 'damaged-config'
    | 'damaged-tags'
    | 'dangling-tag'
    | 'missing-layer'
    | 'damaged-manifest'
    | 'damaged-blob'
    | 'unreferenced-blob'
  /** Image id, tag or blob digest. */
  readonly subject: string
  readonly message: string
  readonly repaired: boolean
}

/** How {@link ImageStore.check} looks. */
export interface ImageCheckOptions extends CallOptions {
  /** Also read every kept blob and compare its digest. */
  readonly full?: boolean
  /** Set aside what is damaged; remove dangling tags and blobs that nothing needs. */
  readonly repair?: boolean
}

/** Layers' tars from where else they are kept. Disposing of it closes the archives. */
export interface LayerSources extends AsyncDisposable {
  /**
   * A layer's tar, uncompressed, from every archive that has it, then from a kept blob. It is for
   * the reader to compare with the DiffID.
   */
  tars(diffID: DiffID): AsyncIterable<ByteSource>
}

import type { ImageStore, OpenImagesOptions } from './types.ts'

/** Opens the images of a store. @throws LayerError `ERR_CORRUPT_METADATA`, `ERR_PERMISSION` */
export declare function openImages(options: OpenImagesOptions): Promise<ImageStore>

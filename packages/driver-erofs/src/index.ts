/**
 * A driver whose layer on disk is the tar, mounted by the kernel as EROFS.
 *
 * @module
 */
export { type ErofsOptions, erofs } from './erofs.ts'
export { IMAGE_METHODS, type ImageMethod } from './mounting/image-mounter.ts'

/**
 * A driver that lays layers over each other with overlayfs.
 *
 * @module
 */
export { MOUNT_METHODS, type MountMethod } from '@varve/overlayfs'
export { type OverlayOptions, overlay } from './overlay.ts'

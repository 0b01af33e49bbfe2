/**
 * A driver that lays layers over each other with overlayfs.
 *
 * @module
 */
export { MOUNT_METHODS, type MountMethod } from './mounting/stack.ts'
export { type OverlayOptions, overlay } from './overlay.ts'

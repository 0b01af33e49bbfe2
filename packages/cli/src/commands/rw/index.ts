/**
 * Read-write layers, from their making to the image that comes of them.
 *
 * @module
 */
export { commit } from './commit.ts'
export { create } from './create.ts'
export { diff } from './diff.ts'
export { fork } from './fork.ts'
export { mount } from './mount.ts'
export { ps } from './ps.ts'
export { reset } from './reset.ts'
export { umount } from './umount.ts'

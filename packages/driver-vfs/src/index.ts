/**
 * A driver that keeps every layer as a complete directory tree.
 *
 * @module
 */
export { type VfsOptions, vfs } from './vfs.ts'

/**
 * EROFS images: written from tars, read without being mounted.
 *
 * @module
 */
export type { ErofsLimits } from './apply/limits.ts'
export type { DeviceSlot } from './format/superblock.ts'
export type { TarPlace } from './format/tar-note.ts'
export type { ErofsEntry } from './read/files.ts'
export type { ErofsPath } from './read/find-path.ts'
export { type LoadTreeOptions, loadTree } from './read/load-tree.ts'
export {
  type ErofsImage,
  type OpenErofsOptions,
  openErofs,
} from './read/open-erofs.ts'
export type { ErofsFileType, ErofsStat } from './read/stat.ts'
export { type ByteRanges, type ImageFile, type MemoryFile, memoryFile } from './storage.ts'
export type { Tree } from './tree/tree.ts'
export { type PackErofsOptions, packErofs } from './write/pack-erofs.ts'
export { type WriteErofsOptions, type WrittenErofs, writeErofs } from './write/write-erofs.ts'

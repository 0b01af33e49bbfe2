/**
 * Windows container layers: backup streams and tars turned into each other.
 *
 * @module
 */
export {
  BackupReader,
  encodePartHeader,
  type PartHeader,
  type PartToWrite,
  SPARSE,
  STREAM,
} from './codec/backup-stream.ts'
export {
  type ExtendedAttribute,
  encodeExtendedAttributes,
  parseExtendedAttributes,
} from './codec/extended-attributes.ts'
export type { BackedUpFile, BackupSource } from './codec/file-entry.ts'
export { ATTRIBUTE, type FileBasicInfo } from './codec/file-info.ts'
export { filetimeOf, nanosecondsOf, paxTimeText, unixNanoseconds } from './codec/filetime.ts'
export { readTarFiles, type TarFile } from './codec/from-tar.ts'
export { type BackupTarOptions, RECORD } from './codec/records.ts'
export { encodeReparsePoint, parseReparsePoint, type ReparsePoint } from './codec/reparse-point.ts'
export { securityDescriptorOf } from './codec/sddl.ts'
export {
  type AccessEntry,
  parseSecurityDescriptor,
  type SecurityDescriptor,
} from './codec/security-descriptor.ts'
export { writeBackupToTar } from './codec/to-tar.ts'
export { runImportChild } from './driver/apply/child/import-child.ts'
export type { BaseImage } from './driver/base-images.ts'
export { type WindowsOptions, windows } from './driver/windows.ts'
export type { WindowsDriver } from './driver/windows-driver.ts'
export { emulatedDisks } from './emulated/emulated-disks.ts'
export { emulatedFs } from './emulated/emulated-fs.ts'
export { type EmulatedHcs, type EmulatedHcsOptions, emulatedHcs } from './emulated/emulated-hcs.ts'

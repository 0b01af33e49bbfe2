/**
 * Tar headers read and written exactly as Go does, as a synchronous scanner; no file system.
 *
 * @module
 */
export * from './clean-name.ts'
export * from './encode.ts'
export type * from './entry.ts'
export { endOfArchive, paddingFor } from './padding.ts'
export { createTarScanner } from './scanner.ts'

/**
 * Tar headers read and written exactly as Go does, as a synchronous scanner; no file system.
 *
 * @module
 */
export * from './encode.ts'
export type * from './entry.ts'
export * from './scanner.ts'

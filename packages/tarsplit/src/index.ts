/**
 * Tar stream to record and payloads and back, byte for byte; no file system, no `node:` module.
 *
 * @module
 */
export { tarSplit } from './tar-split.ts'

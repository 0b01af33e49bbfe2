/**
 * Docker's layerdb on files: crash-safe, and shared by processes.
 *
 * @module
 */
export { DEFAULT_LEVEL, type MetadataFsOptions, metadataFs } from './metadata-fs.ts'

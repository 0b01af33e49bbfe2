/**
 * Images on top of a layer store: docker-archive and OCI image layout, read and written; config,
 * manifest, index, history and tags; kept on disk as Docker keeps them.
 *
 * @module
 */
export * from './open-images.ts'
export * from './platform.ts'
export * from './reference.ts'
export * from './types/index.ts'
export * from './v1/index.ts'

/**
 * The contracts of a container-image layer store (driver, metadata, codec) and the store built on
 * nothing else: no file system, no driver, no format is known here.
 *
 * @module
 */
export * from './codec.ts'
export * from './driver.ts'
export * from './errors.ts'
export * from './ids.ts'
export { MAX_DEPTH } from './layer-store/depth.ts'
export { type OpenStoreOptions, openStore } from './layer-store/open-store.ts'
export * from './metadata.ts'
export * from './store.ts'
export * from './streams.ts'

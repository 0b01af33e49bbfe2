/**
 * The meaning of layer tars: applied on a tree, made from a tree, compared with a tree, unpacked.
 *
 * @module
 */
export { applyLayer } from './apply/apply-layer.ts'
export type { AppliedLayer, ApplyLimits, ApplyOptions, Omitted } from './apply/options.ts'
export { directoryWhiteouts, type WhiteoutStrategy } from './apply/whiteouts.ts'
export * from './compression/compress.ts'
export * from './compression/decompress.ts'
export * from './compression/detect.ts'
export {
  type Directory,
  openRoot,
  type Resolver,
  type RootOptions,
  type SafeRoot,
} from './safe-root/safe-root.ts'

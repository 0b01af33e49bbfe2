/**
 * The meaning of layer tars: applied on a tree, made from a tree, compared with a tree, unpacked.
 *
 * @module
 */
export { applyLayer } from './apply/apply-layer.ts'
export type { LayerTree } from './apply/layer-tree.ts'
export type { AppliedLayer, ApplyLimits, ApplyOptions, Omitted } from './apply/options.ts'
export { directoryWhiteouts, type LayerApart, type WhiteoutStrategy } from './apply/whiteouts.ts'
export * from './compression/compress.ts'
export * from './compression/decompress.ts'
export * from './compression/detect.ts'
export { changesBetween, changesSize, diffSize } from './diff/changes.ts'
export type { LayerMarks } from './diff/layer-marks.ts'
export type { TreeOptions } from './diff/tree-options.ts'
export { writeDiff } from './diff/write-diff.ts'
export { openFiles } from './files/open-files.ts'
export type { FileCalls } from './safe-root/calls.ts'
export { openRoot } from './safe-root/open-root.ts'
export type { Directory, Resolver, RootOptions, SafeRoot } from './safe-root/safe-root.ts'
export { type VerifyOptions, verifyTree } from './verify/verify-tree.ts'

/**
 * The image graph of Docker up to 1.9: images by random ids, each with a document and a layer.
 *
 * @module
 */

export type { IDMap } from './id-maps.ts'
export { bufferToFile } from './layers/buffer-to-file.ts'
export { openGraph } from './open-graph.ts'
export { type TruncIndex, truncIndex } from './trunc-index.ts'
export type * from './types.ts'

/**
 * The image graph of Docker up to 1.9: images by random ids, each with a document and a layer; and
 * the way of its images into the layer store and back.
 *
 * @module
 */
export type { IDMap } from './id-maps.ts'
export { bufferToFile } from './layers/buffer-to-file.ts'
export { ancestry, type FoundImage, findImage } from './manage/find.ts'
export { type RemovedImage, type RemoveImageOptions, removeImage } from './manage/remove-image.ts'
export { saveV1Archive } from './manage/save.ts'
export { type ExportedImage, type ExportOptions, exportImage } from './migrate/export-image.ts'
export { migrate } from './migrate/migrate.ts'
export type * from './migrate/types.ts'
export { openGraph } from './open-graph.ts'
export { type TruncIndex, truncIndex } from './trunc-index.ts'
export type * from './types.ts'

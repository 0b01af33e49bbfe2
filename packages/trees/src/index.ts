/**
 * Whole directory trees: copied with all that files have, deleted, put on stable storage, set aside.
 * By descriptor where the system has the calls, so that no link leads out.
 *
 * @module
 */
export { type Aside, openAside, type RemoveTree, sweepAside } from './aside.ts'
export { type Asides, applyAside, asidesIn } from './asides.ts'
export { fileSystemOf } from './file-system.ts'
export {
  findLayer,
  isThere,
  type LayerPlaces,
  layersIn,
  onLayers,
  refuseChanges,
  setMode,
  syncNames,
} from './home.ts'
export { readKept, writeKept } from './kept-count.ts'
export { mountPointsIn } from './mount-points.ts'
export { createPace, type Pace } from './pace.ts'
export { readOnlyDriver } from './read-only.ts'
export { writeSynced } from './synced-file.ts'
export { copyMetadata, ITSELF, type MetadataRules, type Spot } from './tree/copy-metadata.ts'
export { openTrees, refuseMounted, type Trees } from './trees.ts'

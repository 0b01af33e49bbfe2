/**
 * Overlay mounts of Linux, for drivers whose read-write layers are overlays: what works here, each
 * way to mount, mounts that are counted among processes, and how an upper directory tells what it
 * hides.
 *
 * @module
 */
export { toKernelForms } from './fuse-forms.ts'
export { escapeXattr, isWhiteoutDevice, keptXattr, type Marks, marksOf } from './marks.ts'
export {
  endKeptMount,
  refuseMountedAbove,
  requireUnused,
  useMount,
} from './mounting/layer-mounts.ts'
export {
  type MountHome,
  type MountOn,
  MountPoints,
} from './mounting/mount-points.ts'
export { mounterOf } from './mounting/mounter.ts'
export { PLACES, type Place } from './mounting/places.ts'
export {
  MOUNT_METHODS,
  type Mounter,
  type MountMethod,
  type MountRequest,
  type OverlaySettings,
  type Stack,
  type View,
} from './mounting/stack.ts'
export { cachedFeatures, type ProbePlace } from './probe/cached.ts'
export type { Features } from './probe/features.ts'
export { type KernelDefaults, kernelDefaults } from './probe/kernel-defaults.ts'
export { probe } from './probe/probe.ts'
export { requireFileSystem, requireSystem, unsupported } from './probe/unsupported.ts'
export { scratchIn } from './scratch.ts'
export { NotNative, upperMarks } from './upper-marks.ts'

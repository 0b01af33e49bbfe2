import type { NativeCalls } from '@varve/sys'
import { allAtOnce } from './all-at-once.ts'
import { byFuse } from './by-fuse.ts'
import type { Mounter, MountMethod, OverlaySettings } from './stack.ts'
import { stepByStep } from './step-by-step.ts'

/** @param scratch a directory of this process, for `options` and `fuse` */
export function mounterOf(
  native: NativeCalls,
  method: MountMethod,
  settings: OverlaySettings,
  scratch: string,
): Mounter {
  if (method === 'fuse') return byFuse(native, scratch)
  return method === 'options'
    ? allAtOnce(native, settings, scratch)
    : stepByStep(native, settings, method === 'strings')
}

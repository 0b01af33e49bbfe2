import type { NativeCalls, Sys } from '@varve/sys'
import type { Trees } from '@varve/trees'
import type { Home } from './home.ts'
import type { Marks } from './marks.ts'
import type { MountPoints } from './mounting/mount-points.ts'
import type { Mounter } from './mounting/stack.ts'
import type { Features } from './probe/features.ts'
import type { Scratch } from './scratch.ts'

/** What an open driver is made of. */
export interface Parts {
  readonly home: Home
  readonly sys: Sys
  readonly native: NativeCalls
  readonly features: Features
  readonly marks: Marks
  readonly mounter: Mounter
  readonly mounts: MountPoints
  readonly scratch: Scratch
  readonly trees: Trees
}

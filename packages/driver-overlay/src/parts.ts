import type { Features, Marks, Mounter, MountPoints } from '@varve/overlayfs'
import type { NativeCalls, Sys } from '@varve/sys'
import type { Asides, Trees } from '@varve/trees'
import type { Home } from './home.ts'
import type { ProjectQuota } from './options/project-quota.ts'

/** What an open driver is made of. */
export interface Parts {
  readonly home: Home
  readonly sys: Sys
  readonly native: NativeCalls
  readonly features: Features
  readonly marks: Marks
  readonly mounter: Mounter
  readonly mounts: MountPoints
  readonly scratch: Asides
  readonly quota: ProjectQuota
  readonly trees: Trees
}

import type { DriverCapabilities } from '@varve/core'
import type { Sys } from '@varve/sys'
import type { Asides, Trees } from '@varve/trees'
import type { Home } from './home.ts'
import type { LayerMounts } from './layers/layer-mounts.ts'

/** What an open driver is made of. */
export interface Parts {
  readonly home: Home
  readonly sys: Sys
  readonly trees: Trees
  readonly mounts: LayerMounts
  readonly asides: Asides
  readonly keeps: DriverCapabilities['keeps']
  /** Whether another tool makes the layers. */
  readonly isForeign: boolean
}

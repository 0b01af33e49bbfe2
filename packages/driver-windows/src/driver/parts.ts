import type { Sys, WinFs } from '@varve/sys'
import type { Asides, Trees } from '@varve/trees'
import type { Importer } from './apply/importer.ts'
import type { LayerUses } from './layers/layer-uses.ts'
import type { Service } from './service.ts'

/** What an open driver is made of. */
export interface Parts {
  readonly service: Service
  readonly fs: WinFs
  readonly sys: Sys
  readonly trees: Trees
  readonly importer: Importer
  readonly uses: LayerUses
  readonly asides: Asides
  readonly compat: 'v1.11' | 'current'
  readonly flavour: 'filter' | 'diff'
}

import { type Driver, LayerError, type TarSplitCodec } from '@varve/core'
import type { Sys } from '@varve/sys'
import type { Layout } from './disk/layout.ts'
import type { Catalog } from './shared/catalog.ts'
import type { Holds } from './shared/holds.ts'
import type { Locks } from './shared/locks.ts'
import type { GraphVersion } from './types.ts'

/** What the parts of one opened graph share. */
export interface GraphContext {
  readonly layout: Layout
  readonly driver: Driver
  readonly codec: TarSplitCodec
  readonly sys: Sys
  readonly version: GraphVersion
  readonly readOnly: boolean
  readonly repositories: string | undefined
  readonly locks: Locks
  readonly catalog: Catalog
  readonly holds: Holds
  /** @throws LayerError `ERR_CLOSED` */
  readonly assertOpen: (attempt: string) => void
}

/** @throws LayerError `ERR_CLOSED`, `ERR_PERMISSION` if the graph may not be changed */
export function assertWritable(ctx: GraphContext, attempt: string): void {
  ctx.assertOpen(attempt)
  if (!ctx.readOnly) return
  throw new LayerError('ERR_PERMISSION', `${attempt}: the graph was opened to read only`, {
    data: { root: ctx.layout.root },
  })
}

import { join } from 'node:path'
import { type ChainID, hexOf } from '@varve/core'
import type { Context } from './context.ts'
import { listNames, syncFile } from './files.ts'

/** Puts the metadata of layers on stable storage, then takes their marks away. */
export async function syncLayers(ctx: Context, ids: readonly ChainID[]): Promise<void> {
  if (ids.length === 0) return
  const { layout, marks, sys } = ctx
  const names = ids.map(hexOf)
  // One flush for all of them, where there is such a call.
  if (!(await sys.syncFileSystem(layout.root))) {
    for (const name of names) await syncLayer(ctx, name)
    await sys.syncDirectory(layout.layers)
  }
  for (const name of names) marks.remove(name)
}

async function syncLayer({ layout, sys }: Context, name: string): Promise<void> {
  const dir = join(layout.layers, name)
  const files = listNames(dir)
  if (files.length === 0) return
  for (const file of files) await syncFile(join(dir, file))
  await sys.syncDirectory(dir)
}

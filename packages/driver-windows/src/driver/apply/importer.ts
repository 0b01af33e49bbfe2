import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import type { ByteSource, CallOptions, DisplacedFile } from '@varve/core'
import type { Sys } from '@varve/sys'
import { displacedFile } from '../../layer/payloads.ts'
import { removeTree } from '../../layer/remove-tree.ts'
import type { Service } from '../service.ts'
import { importIntoLayer } from './import-into-layer.ts'

/** What {@link Importer} did. */
export interface Imported {
  readonly size: number
  /** In the given directory. */
  readonly displaced: readonly DisplacedFile[]
}

/** Fills a layer from a tar. */
export type Importer = (
  id: string,
  chain: readonly string[],
  tar: ByteSource,
  asideDir: string,
  options: CallOptions,
) => Promise<Imported>

/** An importer that works in this process, with the privileges of all of it. */
export function importHere(service: Service, compat: 'v1.11' | 'current'): Importer {
  return async (id, chain, tar, asideDir, options) => {
    const how = { ...options, asideDir }
    const { size, displaced } = await importIntoLayer(service, compat, id, chain, tar, how)
    return { size, displaced: displaced.map(displacedFile) }
  }
}

/**
 * The importer of the fourth preview of Windows Server 2016: the tar is unpacked as any other, and
 * what is in it is for the service to understand.
 */
export function importFolder(service: Service, sys: Sys): Importer {
  return async (id, chain, tar, asideDir, options) => {
    const folder = await mkdtemp(join(tmpdir(), 'hcs'))
    try {
      const { size, displaced } = await applyLayer(folder, tar, { ...options, sys, asideDir })
      await using root = await service.fs.openRoot(service.home.dir(id))
      const { hcs, info, id: name, chain: layers } = await service.place(id, chain, root)
      await hcs.importLayer(info, name, folder, layers)
      return { size, displaced }
    } finally {
      await removeTree(folder)
    }
  }
}

/** The importer of differencing disks: the tar brings a layer's own folder with it. */
export function importHome(service: Service, sys: Sys): Importer {
  return async (_id, _chain, tar, asideDir, options) => {
    const { size, displaced } = await applyLayer(service.home.root, tar, {
      ...options,
      sys,
      asideDir,
    })
    return { size, displaced }
  }
}

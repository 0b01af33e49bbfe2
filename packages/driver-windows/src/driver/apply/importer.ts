import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import type { ByteSource, CallOptions, DisplacedFile } from '@varve/core'
import type { Sys, WinFs, WinRoot } from '@varve/sys'
import { baseWriter } from '../../layer/direct-writer.ts'
import { importTar } from '../../layer/import-tar.ts'
import type { LayerWriter } from '../../layer/layer-writer.ts'
import { displacedFile } from '../../layer/payloads.ts'
import { streamingSink } from '../../layer/streaming-sink.ts'
import { transportSink } from '../../layer/transport-sink.ts'
import { upperWriter } from '../../layer/upper-writer.ts'
import type { Service } from '../service.ts'

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
export function importHere(service: Service, fs: WinFs, compat: 'v1.11' | 'current'): Importer {
  return (id, chain, tar, asideDir, options) =>
    service.privileges.with(PRIVILEGES, async () => {
      await using root = await fs.openRoot(service.home.dir(id))
      const writer = await writerFor(service, compat, id, chain, root)
      await using _ = writer
      const { caseSensitive } = fs
      const imported = await importTar(tar, writer, { ...options, asideDir, caseSensitive })
      await writer.close()
      return { size: imported.size, displaced: imported.displaced.map(displacedFile) }
    })
}

const PRIVILEGES = ['SeSecurityPrivilege', 'SeBackupPrivilege', 'SeRestorePrivilege'] as const

async function writerFor(
  service: Service,
  compat: 'v1.11' | 'current',
  id: string,
  chain: readonly string[],
  root: WinRoot,
): Promise<LayerWriter> {
  if (chain.length === 0) return baseWriter(service.hcs, root)
  const place = await service.place(id, chain, root)
  const streams = compat === 'v1.11' && service.hcs.importLayerBegin !== undefined
  const sink = streams
    ? await streamingSink(place)
    : await transportSink(place, await mkdtemp(join(tmpdir(), 'hcs')), compat === 'v1.11')
  return upperWriter(place, sink)
}

/**
 * The importer of the fourth preview of Windows Server 2016: the tar is unpacked as any other, and
 * what is in it is for the service to understand.
 */
export function importFolder(service: Service, fs: WinFs, sys: Sys): Importer {
  return async (id, chain, tar, asideDir, options) => {
    const folder = await mkdtemp(join(tmpdir(), 'hcs'))
    try {
      const { size, displaced } = await applyLayer(folder, tar, { ...options, sys, asideDir })
      await using root = await fs.openRoot(service.home.dir(id))
      const { hcs, info, id: name, chain: layers } = await service.place(id, chain, root)
      await hcs.importLayer(info, name, folder, layers)
      return { size, displaced }
    } finally {
      await rm(folder, { recursive: true, force: true })
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

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteSource, CallOptions } from '@varve/core'
import type { WinRoot } from '@varve/sys'
import { baseWriter } from '../../layer/direct-writer.ts'
import { type ImportedTar, importTar } from '../../layer/import-tar.ts'
import type { LayerWriter } from '../../layer/layer-writer.ts'
import { streamingSink } from '../../layer/streaming-sink.ts'
import { transportSink } from '../../layer/transport-sink.ts'
import { upperWriter } from '../../layer/upper-writer.ts'
import type { Service } from '../service.ts'

/** Fills a layer through the service, or right in its folder if it stands on nothing. */
export async function importIntoLayer(
  service: Service,
  compat: 'v1.11' | 'current',
  id: string,
  chain: readonly string[],
  tar: ByteSource,
  options: CallOptions & { readonly asideDir: string },
): Promise<ImportedTar> {
  return await service.privileges.with(PRIVILEGES, async () => {
    await using root = await service.fs.openRoot(service.home.dir(id))
    await using writer = await writerFor(service, compat, id, chain, root)
    const { caseSensitive } = service.fs
    const imported = await importTar(tar, writer, { ...options, caseSensitive })
    await writer.close()
    return imported
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

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles, writeDiff } from '@varve/archive'
import { type CacheID, cleanUp, type FileGetter } from '@varve/core'
import { removeTree } from '../../layer/remove-tree.ts'
import { chainFrom } from '../layers/chains.ts'
import type { Parts } from '../parts.ts'
import { whileReading } from './while-reading.ts'

/** The fourth preview's tar: of the folder that it exports, as of any other. */
export async function* exportedTar(
  parts: Parts,
  id: CacheID,
  ancestor: CacheID | undefined,
): AsyncGenerator<Uint8Array> {
  await parts.service.home.find(id)
  yield* whileReading(parts.uses.of(id), async function* () {
    await using folder = await exportLayer(parts, id, ancestor)
    yield* writeDiff(folder.path)
  })
}

/** Payloads for the fourth preview's tar, which holds other files than the layer's folder. */
export async function exportedFiles(parts: Parts, id: CacheID): Promise<FileGetter> {
  const folder = await exportLayer(parts, id, undefined)
  const files = openFiles(folder.path, { sys: parts.sys })
  return {
    open: (file, size) => files.open(file, size),
    async [Symbol.asyncDispose]() {
      await files[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** A folder with what the service exports of a layer. */
async function exportLayer(
  { service, fs }: Parts,
  id: CacheID,
  ancestor: CacheID | undefined,
): Promise<AsyncDisposable & { readonly path: string }> {
  const { home } = service
  const name = await home.resolve(id)
  const path = await mkdtemp(join(tmpdir(), 'hcs'))
  const remove = () => removeTree(path)
  try {
    await using root = await fs.openRoot(home.dir(name))
    const chain =
      ancestor === undefined ? await home.chain(name) : await chainFrom(service, name, ancestor)
    const { hcs, info, id: whole, chain: layers } = await service.place(name, chain, root)
    await hcs.exportLayer(info, whole, path, layers)
    return { path, [Symbol.asyncDispose]: remove }
  } catch (error) {
    throw await cleanUp(error, remove)
  }
}

import { join } from 'node:path'
import { type ChainID, type LayerStore, openStore } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'

/** The real store on files: what `varve` itself opens, without images. */
export async function openRealStore(
  root: string,
  retained?: () => Promise<ReadonlySet<ChainID>>,
): Promise<LayerStore> {
  return await openStore({
    driver: await vfs({ root: join(root, 'vfs') }),
    metadata: await metadataFs({ root: join(root, 'image/vfs/layerdb') }),
    codec: tarSplit(),
    ...(retained ? { retained } : {}),
  })
}

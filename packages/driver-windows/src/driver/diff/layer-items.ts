import type { CacheID } from '@varve/core'
import {
  type LayerItem,
  readBaseLayer,
  readByStreaming,
  readByTransport,
  readWhole,
} from '../../layer/layer-reader.ts'
import type { UpperPlace } from '../../layer/upper-place.ts'
import { holdPrivileges } from '../hold-privileges.ts'
import { chainFrom } from '../layers/chains.ts'
import type { Parts } from '../parts.ts'
import { whileReading } from './while-reading.ts'

/** What of a layer is different from an ancestor; without one, all that is in it. */
export async function* layerItems(
  parts: Parts,
  id: CacheID,
  ancestor: CacheID | undefined,
): AsyncGenerator<LayerItem> {
  const { home } = parts.service
  await home.find(id)
  const name = await home.resolve(id)
  const chain = await chainFrom(parts.service, name, ancestor)
  const isWhole = ancestor === undefined && (await home.isReadWrite(name))
  yield* whileReading(parts.uses.of(id), () => readItems(parts, name, chain, isWhole))
}

/** @param isWhole whether what a read-write layer stands on is wanted, too */
async function* readItems(
  parts: Parts,
  name: string,
  chain: readonly string[],
  isWhole: boolean,
): AsyncGenerator<LayerItem> {
  const { service, fs } = parts
  const { home, privileges } = service
  // Whoever may not read a file may still back it up.
  await using _ = await holdPrivileges(privileges, ['SeBackupPrivilege'])
  await using root = await fs.openRoot(home.dir(name))
  if (isWhole) {
    const place = await service.place(name, await home.chain(name), root)
    yield* readWhole(place, () => readUpper(parts, place))
  } else if (chain.length === 0) {
    yield* readBaseLayer(root)
  } else {
    yield* readUpper(parts, await service.place(name, chain, root))
  }
}

function readUpper({ compat, service }: Parts, place: UpperPlace): AsyncIterable<LayerItem> {
  const streams = compat === 'v1.11' && service.hcs.exportLayerBegin !== undefined
  return streams ? readByStreaming(place) : readByTransport(place)
}

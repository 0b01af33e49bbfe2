import { type CacheID, LayerError } from '@varve/core'
import type { Service } from '../service.ts'

/** The chain of a layer that is to stand on another: folders, the other's first. */
export async function chainOn(service: Service, below: string): Promise<string[]> {
  const chain = await service.home.chain(below)
  return [await service.mountPath(below), ...chain]
}

/** The part of a layer's chain from an ancestor on; nothing, to see all that is in the layer. */
export async function chainFrom(
  { home }: Service,
  name: string,
  ancestor: CacheID | undefined,
): Promise<string[]> {
  if (ancestor === undefined) return []
  const chain = await home.chain(name)
  await home.find(ancestor)
  const below = await home.resolve(ancestor)
  const at = chain.indexOf(home.dir(below))
  if (at >= 0) return chain.slice(at)
  // On a read-write layer: both stand on the same.
  const own = await home.chain(below)
  if (own.length === chain.length && own.every((path, i) => path === chain[i])) return chain
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot compare ${name}: it does not stand on ${ancestor}`,
    { data: { id: name, ancestor } },
  )
}

import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  type CallOptions,
  LayerError,
} from '@varve/core'
import { applyAside } from '@varve/trees'
import { wrapHcs } from '../errors.ts'
import { chainOn } from '../layers/chains.ts'
import type { Parts } from '../parts.ts'

/**
 * Fills a layer from a tar.
 *
 * @param parent the layer beneath; without one it is a base layer, and nothing is asked
 */
export async function applyDiff(
  { service, importer, asides, flavour }: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  tar: ByteSource,
  options: CallOptions,
): Promise<AppliedDiff> {
  const { home } = service
  const attempt = `Cannot apply layer ${id}`
  if (await home.isReadWrite(id)) {
    throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: it is a read-write layer`, {
      data: { id },
    })
  }
  return await applyAside(asides, async (asideDir) => {
    try {
      const stands = flavour === 'filter' && parent !== undefined
      const chain = stands ? await chainOn(service, await home.resolve(parent)) : []
      const { size, displaced } = await importer(id, chain, tar, asideDir, options)
      if (flavour === 'filter') await home.setChain(id, chain)
      return { size, displaced, async [Symbol.asyncDispose]() {} }
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  })
}

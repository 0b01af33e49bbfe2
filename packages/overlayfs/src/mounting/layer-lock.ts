import { type CacheID, LayerError } from '@varve/core'
import type { FileLock, Sys, SysError } from '@varve/sys'

/**
 * Waits for the lock of a layer, a file in its directory.
 *
 * @throws LayerError `ERR_ABORTED`, `ERR_LAYER_NOT_FOUND`
 */
export async function lockLayer(
  sys: Sys,
  id: CacheID,
  path: string,
  signal: AbortSignal | undefined,
): Promise<FileLock> {
  try {
    return await sys.lockFile(path, { mode: 'exclusive', ...(signal ? { signal } : {}) })
  } catch (error) {
    if (signal?.aborted) {
      throw new LayerError('ERR_ABORTED', `Cannot lock layer ${id}: interrupted`, {
        cause: error,
      })
    }
    if ((error as SysError).code !== 'ENOENT') throw error
    throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, {
      cause: error,
      data: { id },
    })
  }
}

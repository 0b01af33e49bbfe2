import { type CacheID, checkAborted, LayerError, type Mount, type MountOptions } from '@varve/core'
import { wrapHcs } from '../errors.ts'
import type { Parts } from '../parts.ts'

/** Shows a layer's files at a path until that is disposed of. */
export async function mountLayer(
  { service, uses }: Parts,
  id: CacheID,
  options: MountOptions,
): Promise<Mount> {
  if (options.keep) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot keep layer ${id} mounted`, {
      data: { id },
      hint: 'Windows layers are mounted as long as the process lives that wants them',
    })
  }
  await service.home.find(id)
  const attempt = `Cannot mount layer ${id}`
  checkAborted(options.signal, attempt)
  const use = uses.of(id)
  let path: string
  try {
    path = await use.mount()
  } catch (error) {
    throw wrapHcs(error, attempt, { id })
  }
  let held = true
  return {
    path,
    readOnly: options.readOnly ?? false,
    async [Symbol.asyncDispose]() {
      if (!held) return
      try {
        await use.unmount()
        held = false
      } catch (error) {
        throw wrapHcs(error, `Cannot unmount layer ${id}`, { id })
      }
    },
  }
}

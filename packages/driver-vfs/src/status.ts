import { wrapError } from '@varve/core'
import { fileSystemOf } from '@varve/trees'
import type { Parts } from './parts.ts'
import { probeReflink } from './probe.ts'

/** What `varve info` prints. */
export async function statusOf(parts: Parts): Promise<Readonly<Record<string, string>>> {
  const { limits } = parts.sys
  return {
    // As Docker's drivers call it.
    'Backing Filesystem': await fileSystemOf(parts.home.layers),
    'Shared Blocks': await sharesBlocks(parts),
    ...(limits.length > 0 ? { Limits: limits.join('; ') } : {}),
  }
}

async function sharesBlocks({ sys, asides }: Parts): Promise<string> {
  const { native } = sys
  if (!native) return 'unknown'
  try {
    await using aside = await asides.open()
    return probeReflink(native, aside.path) ? 'yes' : 'no'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return 'no'
    throw wrapError(error, 'Cannot try out the file system')
  }
}

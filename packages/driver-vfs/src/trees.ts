import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CallOptions, LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { createPace } from './pace.ts'
import { copyTreePortably } from './portable/copy-tree.ts'
import { syncTree } from './portable/sync-tree.ts'
import { copyTree } from './tree/copy-tree.ts'
import { emptyTree } from './tree/remove-tree.ts'

/** What the driver does to whole directory trees, by the best means of the system. */
export interface Trees {
  /** @param to an empty directory */
  copy(from: string, to: string, options: CallOptions): Promise<void>
  /** Without such a directory, nothing. */
  remove(path: string, options?: CallOptions): Promise<void>
  /** Puts some of the trees in a directory, and the directory's own entries, on stable storage. */
  sync(parent: string, names: readonly string[]): Promise<void>
}

/** @param keepOwner whether files may be given to other users */
export function openTrees(sys: Sys, keepOwner: boolean): Trees {
  const { native } = sys
  return {
    async copy(from, to, options) {
      const pace = createPace(options, `Cannot copy ${from}`)
      if (native) await copyTree(from, to, { native, pace, keepOwner })
      else await copyTreePortably(from, to, pace)
    },
    async remove(path, options = {}) {
      try {
        if (native) {
          await emptyTree(path, native, createPace(options, `Cannot remove ${path}`))
          await rmdir(path)
        } else {
          await rm(path, { recursive: true, force: true })
        }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'ENOENT') return
        if (code === 'EXDEV' || code === 'EBUSY') throw mountedInside(path, error)
        throw error
      }
    },
    async sync(parent, names) {
      // Flushes also what is not ours; but one call for many files is by far the fastest.
      if (await sys.syncFileSystem(parent)) return
      for (const name of names) await syncTree(join(parent, name), sys)
      await sys.syncDirectory(parent)
    },
  }
}

function mountedInside(path: string, cause: unknown): LayerError {
  return new LayerError('ERR_MOUNT_IN_USE', `Cannot remove ${path}: something is mounted in it`, {
    cause,
    data: { path },
    hint: 'Unmount it, then remove the layer again',
  })
}

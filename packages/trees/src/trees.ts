import { realpath, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CallOptions, LayerError } from '@varve/core'
import { AT, RENAME, type Sys } from '@varve/sys'
import { mountPointsIn } from './mount-points.ts'
import { createPace } from './pace.ts'
import { copyTreePortably } from './portable/copy-tree.ts'
import { syncTree } from './portable/sync-tree.ts'
import { copyTree } from './tree/copy-tree.ts'
import { emptyTree } from './tree/remove-tree.ts'

/** What the driver does to whole directory trees, by the best means of the system. */
export interface Trees {
  /** @param to an empty directory */
  copy(from: string, to: string, options: CallOptions): Promise<void>
  /**
   * Without such a directory, nothing.
   *
   * @throws LayerError `ERR_MOUNT_IN_USE` if something is mounted in it
   */
  remove(path: string, options?: CallOptions): Promise<void>
  /**
   * Lets two trees of one file system take each other's place, in one step.
   *
   * @throws LayerError `ERR_NOT_SUPPORTED` where the system cannot
   */
  exchange(one: string, other: string): void
  /** Puts some of the trees in a directory, and the directory's own entries, on stable storage. */
  sync(parent: string, names: readonly string[]): Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)

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
        // Mounted just now, or where the table of mounts does not show it.
        if (code === 'EXDEV' || code === 'EBUSY') throw mountedIn(path, [], error)
        throw error
      }
    },
    exchange(one, other) {
      const attempt = `Cannot exchange ${one} and ${other}`
      if (!native) throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: there is no FFI`)
      const [a, b] = [bytes(one), bytes(other)]
      try {
        native.renameat2(AT.FDCWD, a, AT.FDCWD, b, RENAME.EXCHANGE)
      } catch (error) {
        // Some file systems (NFS, old FUSE) know no flags.
        if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
        const message = `${attempt}: the file system cannot do that in one step`
        throw new LayerError('ERR_NOT_SUPPORTED', message, { cause: error })
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

/**
 * Checks that nothing is mounted in a tree, before anything of it is touched.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export async function refuseMounted(path: string): Promise<void> {
  let real: string
  try {
    real = await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const points = await mountPointsIn(real)
  if (points.length > 0) throw mountedIn(path, points)
}

function mountedIn(path: string, points: readonly string[], cause?: unknown): LayerError {
  const what = points[0] === undefined ? 'something is mounted in it' : `${points[0]} is mounted`
  return new LayerError('ERR_MOUNT_IN_USE', `Cannot remove ${path}: ${what}`, {
    cause,
    data: { path, points },
    hint: 'Unmount it, then remove the layer again',
  })
}

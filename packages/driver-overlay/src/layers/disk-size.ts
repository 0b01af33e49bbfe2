import { Buffer } from 'node:buffer'
import { AT, DT, type NativeCalls, O, S } from '@varve/sys'
import { joinPath, openBeneath } from '../trees/open-beneath.ts'
import type { Pace } from '../trees/pace.ts'

/**
 * Bytes in the files of a directory tree as Docker counts them for overlay2 (moby
 * `pkg/directory.Size`): a file of several names once, a symbolic link with its target's length,
 * directories not at all.
 */
export async function diskSize(path: string, native: NativeCalls, pace: Pace): Promise<number> {
  const root = native.openat(AT.FDCWD, Buffer.from(path), O.RDONLY | O.DIRECTORY)
  try {
    const counted = new Set<bigint>()
    const pending: Uint8Array[] = [new Uint8Array(0)]
    let size = 0
    for (let at = pending.pop(); at; at = pending.pop()) {
      const fd = openBeneath(native, root, at)
      try {
        for (const { name, type } of native.readdir(fd)) {
          if (pace.due()) await pace.rest()
          const stat = type === DT.DIR ? undefined : native.statat(fd, name)
          if (!stat || (stat.mode & S.IFMT) === S.IFDIR) {
            pending.push(joinPath(at, name))
          } else if (stat.nlink === 1 || !counted.has(stat.ino)) {
            if (stat.nlink > 1) counted.add(stat.ino)
            size += stat.size
          }
        }
      } finally {
        native.close(fd)
      }
    }
    return size
  } finally {
    native.close(root)
  }
}

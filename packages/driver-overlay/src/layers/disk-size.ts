import { Buffer } from 'node:buffer'
import { openRoot } from '@varve/archive'
import { DT, S, type Sys } from '@varve/sys'
import type { Pace } from '@varve/trees'

/**
 * Bytes in the files of a directory tree as Docker counts them for overlay2 (moby
 * `pkg/directory.Size`): a file of several names once, a symbolic link with its target's length,
 * directories not at all.
 */
export async function diskSize(path: string, sys: Sys, pace: Pace): Promise<number> {
  using root = openRoot(path, { sys })
  const counted = new Set<bigint>()
  const pending = ['']
  let size = 0
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const { name, type } of root.list(at)) {
      if (pace.due()) await pace.rest()
      const stat = type === DT.DIR ? undefined : root.calls.statIfAny(root.open(at).fd, name)
      if (type === DT.DIR || (stat && (stat.mode & S.IFMT) === S.IFDIR)) {
        const child = Buffer.from(name).toString('latin1')
        pending.push(at === '' ? child : `${at}/${child}`)
      } else if (stat && (stat.nlink === 1 || !counted.has(stat.ino))) {
        if (stat.nlink > 1) counted.add(stat.ino)
        size += stat.size
      }
    }
  }
  return size
}

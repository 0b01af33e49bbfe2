import type { LayerMarks } from '@varve/archive'
import { S } from '@varve/sys'
import { ITSELF } from '@varve/trees'
import { isWhiteoutDevice, type Marks } from './marks.ts'

/** Thrown if an upper directory cannot be read as the difference. */
export class NotNative extends Error {}

const YES = 0x79

/**
 * How an upper directory tells what it hides. One that some other mount wrote, with redirects or
 * with metadata only, does not tell all of it.
 *
 * @throws NotNative from either call
 */
export function upperMarks(marks: Marks): LayerMarks {
  return {
    isWhiteout(calls, dirfd, name, stat) {
      if (isWhiteoutDevice(stat)) return true
      if ((stat.mode & S.IFMT) !== S.IFREG) return false
      if (calls.getxattr(dirfd, name, marks.metacopy)) throw new NotNative()
      return stat.size === 0 && calls.getxattr(dirfd, name, marks.whiteout) !== undefined
    },
    isOpaque(calls, dirfd) {
      if (calls.getxattr(dirfd, ITSELF, marks.redirect)) throw new NotNative()
      return calls.getxattr(dirfd, ITSELF, marks.opaque)?.[0] === YES
    },
  }
}

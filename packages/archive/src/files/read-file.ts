import { LayerError, wrapError } from '@varve/core'
import { O, S } from '@varve/sys'
import { shown, toBinary } from '../safe-root/binary.ts'
import { codeOf, type FileCalls } from '../safe-root/calls.ts'

const CHUNK_BYTES = 256 * 1024
const FLAGS = O.RDONLY | O.NOFOLLOW | O.NONBLOCK

/**
 * The content of a regular file, opened when the first chunk is asked for. No memory is given out
 * twice: streams hand these chunks to consumers who may keep them.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER` if it is missing, no regular file, or not `size` bytes
 */
export function* readOpen(
  calls: FileCalls,
  dirfd: number,
  name: Uint8Array,
  size: number,
  shownName: Uint8Array,
): Generator<Uint8Array> {
  const fd = openRegular(calls, dirfd, name, size, shownName)
  try {
    yield* readAll(calls, fd, size, shownName)
  } finally {
    calls.close(fd)
  }
}

/** Opens a regular file of `size` bytes; whatever else is there is refused, never read. */
function openRegular(
  calls: FileCalls,
  dirfd: number,
  name: Uint8Array,
  size: number,
  shownName: Uint8Array,
): number {
  let fd: number
  try {
    fd = openReadable(calls, dirfd, name)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') throw corrupt(shownName, 'it is missing', error)
    if (code === 'ELOOP' || code === 'ENXIO') throw corrupt(shownName, 'it is no file', error)
    throw wrapError(error, `Cannot read ${shown(toBinary(shownName))}`)
  }
  const stat = calls.fstat(fd)
  const why =
    (stat.mode & S.IFMT) !== S.IFREG
      ? 'it is no file'
      : stat.size !== size
        ? `it has ${stat.size} bytes instead of ${size}`
        : undefined
  if (why === undefined) return fd
  calls.close(fd)
  throw corrupt(shownName, why)
}

/** An owner may read a file of mode 0000 too: its mode is opened for as long as opening takes. */
export function openReadable(calls: FileCalls, dirfd: number, name: Uint8Array): number {
  try {
    return calls.openat(dirfd, name, FLAGS)
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error
    const stat = calls.statIfAny(dirfd, name)
    if (!stat || (stat.mode & S.IFMT) !== S.IFREG || stat.uid !== process.geteuid?.()) throw error
    calls.fchmodat(dirfd, name, (stat.mode & 0o7777) | 0o400)
    try {
      return calls.openat(dirfd, name, FLAGS)
    } finally {
      calls.fchmodat(dirfd, name, stat.mode & 0o7777)
    }
  }
}

function* readAll(
  calls: FileCalls,
  fd: number,
  size: number,
  shownName: Uint8Array,
): Generator<Uint8Array> {
  for (let left = size; left > 0; ) {
    const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK_BYTES))
    const bytes = calls.read(fd, buffer)
    if (bytes === 0) throw corrupt(shownName, `it ended ${left} bytes early`)
    left -= bytes
    yield bytes < buffer.length ? buffer.subarray(0, bytes) : buffer
  }
}

export function corrupt(name: Uint8Array, why: string, cause?: unknown): LayerError {
  return new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot read ${shown(toBinary(name))} of the layer: ${why}`,
    { cause, data: { name: shown(toBinary(name)) }, hint: 'Check the store' },
  )
}

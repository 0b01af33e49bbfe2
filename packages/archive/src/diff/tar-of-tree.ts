import { type Change, LayerError } from '@varve/core'
import { type FileStat, S } from '@varve/sys'
import { encodeHeader, endOfArchive, paddingFor, type TarHeader, type TarTime } from '@varve/tar'
import { WHITEOUT_PREFIX } from '../apply/whiteouts.ts'
import { openReadable } from '../files/read-file.ts'
import { baseOf, fromBinary, joined, parentOf, shown } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { ChunkPacker } from './chunk-packer.ts'
import { inodeKey } from './compare-trees.ts'
import { exportedXattrs } from './exported-xattrs.ts'

const NANO = 1_000_000_000n
const SELF = new Uint8Array(0)
const EPOCH: TarTime = { sec: 0, nsec: 0 }
const BLOCK = 512
const TYPES: ReadonlyMap<number, TarHeader['type']> = new Map([
  [S.IFREG, 'file'],
  [S.IFDIR, 'directory'],
  [S.IFLNK, 'symlink'],
  [S.IFCHR, 'char'],
  [S.IFBLK, 'block'],
  [S.IFIFO, 'fifo'],
])

/** Why a path is written; `unchanged` ones for the sake of others. */
export type Reason = Change['kind'] | 'unchanged'

/** Writes chosen paths of a tree as a layer tar. */
export class TarOfTree {
  readonly #root: SafeRoot
  readonly #paths: ReadonlyMap<string, Reason>
  readonly #packer = new ChunkPacker()
  /** The first path of each file that has several, by inode. */
  readonly #first = new Map<string, string>()

  /** @param paths in the order of the tar; a whiteout in place of those that are deleted */
  constructor(root: SafeRoot, paths: ReadonlyMap<string, Reason>) {
    this.#root = root
    this.#paths = paths
  }

  *bytes(): Generator<Uint8Array> {
    for (const [path, reason] of this.#paths) {
      if (reason === 'delete') yield* this.#whiteout(path)
      else yield* this.#entry(path, reason)
    }
    yield* this.#packer.add(endOfArchive())
    yield* this.#packer.rest()
  }

  *#whiteout(path: string): Generator<Uint8Array> {
    const name = fromBinary(joined(parentOf(path), WHITEOUT_PREFIX + baseOf(path)))
    // Mode 0 and root, as in Docker's; but no time, so that the same changes are the same bytes.
    const header = { type: 'file', name, mode: 0, uid: 0, gid: 0, mtime: EPOCH } as const
    yield* this.#packer.add(encodeHeader(header))
  }

  *#entry(path: string, reason: Reason): Generator<Uint8Array> {
    const { calls } = this.#root
    const { fd } = this.#root.open(parentOf(path))
    const base = fromBinary(baseOf(path))
    const stat = calls.statIfAny(fd, base)
    const type = stat && TYPES.get(stat.mode & S.IFMT)
    if (!stat || type === undefined) {
      // A socket, or gone since the trees were compared: what was there before is gone all the same.
      if (reason === 'modify') yield* this.#whiteout(path)
      return
    }
    const first = this.#firstName(path, stat, type)
    if (first !== undefined) {
      const header = headerOf(path, stat, 'link')
      const xattrs = exportedXattrs(calls, fd, base)
      const linkname = fromBinary(first)
      yield* this.#packer.add(encodeHeader({ ...header, linkname, ...(xattrs && { xattrs }) }))
    } else if (type === 'file') {
      yield* this.#file(path, fd, base)
    } else {
      const xattrs = exportedXattrs(calls, fd, base)
      const header = {
        ...headerOf(path, stat, type),
        ...(type === 'symlink' && { linkname: calls.readlinkat(fd, base) }),
        ...(xattrs && { xattrs }),
      }
      yield* this.#packer.add(encodeHeader(header))
    }
  }

  /** The path under which this file was written already. */
  #firstName(path: string, stat: FileStat, type: TarHeader['type']): string | undefined {
    if (stat.nlink < 2 || type === 'directory') return undefined
    const key = inodeKey(stat)
    const first = this.#first.get(key)
    if (first === undefined) this.#first.set(key, path)
    return first
  }

  *#file(path: string, dirfd: number, base: Uint8Array): Generator<Uint8Array> {
    const { calls } = this.#root
    const fd = openReadable(calls, dirfd, base)
    try {
      const stat = calls.fstat(fd)
      if ((stat.mode & S.IFMT) !== S.IFREG) throw changed(path)
      const xattrs = exportedXattrs(calls, fd, SELF)
      const header = { ...headerOf(path, stat, 'file'), size: stat.size, ...(xattrs && { xattrs }) }
      yield* this.#packer.add(encodeHeader(header))
      if (stat.blocks * BLOCK < stat.size) yield* this.#sparseContent(path, fd, stat.size)
      else yield* this.#content(path, fd, 0, stat.size)
      yield* this.#packer.add(paddingFor(stat.size))
    } finally {
      calls.close(fd)
    }
  }

  *#content(path: string, fd: number, from: number, to: number): Generator<Uint8Array> {
    for (let at = from; at < to; ) {
      const bytes = this.#root.calls.read(fd, this.#packer.room.subarray(0, to - at), at)
      if (bytes === 0) throw changed(path)
      at += bytes
      yield* this.#packer.filled(bytes)
    }
  }

  *#sparseContent(path: string, fd: number, size: number): Generator<Uint8Array> {
    const { calls } = this.#root
    for (let at = 0; at < size; ) {
      const data = Math.min(calls.seekData(fd, at) ?? size, size)
      yield* this.#packer.addZeros(data - at)
      at = data < size ? Math.min(calls.seekHole(fd, data), size) : size
      yield* this.#content(path, fd, data, at)
    }
  }
}

function headerOf(path: string, stat: FileStat, type: TarHeader['type']): TarHeader {
  const isDevice = type === 'char' || type === 'block'
  return {
    type,
    name: fromBinary(type === 'directory' ? `${path}/` : path),
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtime: wholeSeconds(stat.mtimeNs),
    ...(isDevice && { devmajor: stat.rdevMajor, devminor: stat.rdevMinor }),
  }
}

function wholeSeconds(ns: bigint): TarTime {
  const cut = ns / NANO
  return { sec: Number(ns < 0n && ns % NANO !== 0n ? cut - 1n : cut), nsec: 0 }
}

function changed(path: string): LayerError {
  return new LayerError('ERR_IO', `Cannot read ${shown(path)}: it changed while it was read`, {
    data: { path: shown(path) },
    hint: 'Stop what is writing to the tree, then run it again',
  })
}

import type { TarEntryType, TarTime } from './entry.ts'

/** What {@link encodeHeader} writes. A `TarEntry` that is not sparse is one. */
export interface TarHeader {
  /** All but `other`; a `global` header is not written. */
  readonly type: TarEntryType
  /** Raw bytes; a directory's should end in `/`. */
  readonly name: Uint8Array
  readonly linkname?: Uint8Array
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname?: Uint8Array
  readonly gname?: Uint8Array
  /** Payload in bytes; only a `file` has any. */
  readonly size?: number
  /** Cut to whole seconds, as Docker does. */
  readonly mtime: TarTime
  readonly devmajor?: number
  readonly devminor?: number
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
}

/**
 * The header blocks of an entry as Docker writes them, with Go's `archive/tar` in PAX format: plain
 * USTAR where that can hold it, else a PAX header before it.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` for what tar cannot hold
 */
export declare function encodeHeader(header: TarHeader): Uint8Array

/** The NULs that must follow a payload of `size` bytes: 0 to 511 of them. */
export declare function paddingFor(size: number): Uint8Array

/** The two zero blocks that end an archive. */
export declare function endOfArchive(): Uint8Array

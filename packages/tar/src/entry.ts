/**
 * What a tar entry is, once its headers have been read.
 *
 * @module
 */

/**
 * What kind of thing an entry is. `file` includes sparse files; `other` is any typeflag that no
 * layer should hold (`7`, `D`, `M`, `V`, …), which carries a payload; `global` is a PAX `g` header.
 */
export type TarEntryType =
  | 'file'
  | 'link'
  | 'symlink'
  | 'char'
  | 'block'
  | 'directory'
  | 'fifo'
  | 'global'
  | 'other'

/** A moment: whole seconds since 1970, which may be negative, and nanoseconds from 0 to 999999999. */
export interface TarTime {
  readonly sec: number
  readonly nsec: number
}

/** A region of a sparse file that the archive holds bytes for. */
export interface SparseRegion {
  /** Where it begins in the file, in bytes. */
  readonly offset: number
  /** In bytes, never 0. */
  readonly length: number
}

/** Where the bytes of a sparse file's payload belong. */
export interface SparseMap {
  /**
   * In ascending order, without overlap and within {@link TarEntry.size}; the payload is their
   * contents one after the other. What lies between them is a hole.
   */
  readonly regions: readonly SparseRegion[]
  /**
   * How the map is stored: in old GNU headers, in PAX records (0.0 and 0.1), or before the payload
   * (1.0).
   */
  readonly form: 'gnu' | 'pax-0' | 'pax-1'
}

/**
 * One entry, after its PAX and GNU extension headers have been taken into account.
 *
 * Numbers are those of the archive and not checked for sense: an id may be negative, and beyond
 * 2⁵³ they are approximate. All byte arrays are the entry's own and stay valid.
 */
export interface TarEntry {
  readonly type: TarEntryType
  /** The typeflag byte; `\0` appears as `0` or, for a name that ends in `/`, as `5`, as in Go. */
  readonly typeflag: number
  /** Raw bytes of the name, not checked in any way. */
  readonly name: Uint8Array
  /** Raw bytes of a link's target; empty for other types, as a rule. */
  readonly linkname: Uint8Array
  /** Permissions are its lower 12 bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname: Uint8Array
  readonly gname: Uint8Array
  /** Size of the file in bytes: for a sparse file with its holes, 0 for types without a payload. */
  readonly size: number
  /** Payload bytes in the archive: other than `size` only for sparse files. */
  readonly storedSize: number
  /**
   * What the header says the size is. Types without a payload (links, directories, devices) may
   * claim one all the same; Docker counts it into the layer's size.
   */
  readonly claimedSize: number
  readonly mtime: TarTime
  readonly atime: TarTime | undefined
  readonly ctime: TarTime | undefined
  readonly devmajor: number
  readonly devminor: number
  /** From `SCHILY.xattr.*` records, binary-safe, in the order of the archive. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>
  /**
   * PAX records that only their vendor gives a meaning to (`MSWINDOWS.fileattr`, …), keys as
   * binary strings.
   */
  readonly records: ReadonlyMap<string, Uint8Array>
  /** Present for a sparse file. */
  readonly sparse: SparseMap | undefined
  /** Where its first header block (extension headers included) begins in the stream, in bytes. */
  readonly offset: number
}

/** What the caller wants to be told by {@link TarScanner.push}. */
export interface TarVisitor {
  /**
   * Bytes that are no payload: headers, extension bodies, sparse maps, padding, and all that
   * follows the end of the archive. An entry's header blocks come before its `entry`.
   */
  raw?(bytes: Uint8Array): void
  /** Begins an entry. */
  entry(entry: TarEntry): void
  /** Some of the entry's payload, never empty; `storedSize` bytes in all. */
  payload(bytes: Uint8Array): void
  /** Ends the entry: its payload, if any, is complete. Follows every `entry`, padding aside. */
  entryEnd(): void
}

/** Reads a tar that is pushed into it. Made by `createTarScanner`. */
export interface TarScanner {
  /**
   * Takes the next bytes and calls the visitor for all that they hold. Bytes given to the visitor
   * are views of `chunk`: copy what must outlive the call.
   *
   * @throws LayerError `ERR_INVALID_TAR`, `ERR_LIMIT_EXCEEDED`, and whatever the visitor throws.
   *   `data.offset` is where in the stream. The scanner cannot be used after that.
   */
  push(chunk: Uint8Array): void
  /**
   * Tells it that the stream has ended.
   *
   * @throws LayerError `ERR_TRUNCATED` if that is inside a header or a payload. An archive that
   *   ends between entries, or inside the padding after one, is taken as complete, as in Go.
   */
  end(): void
  /** Bytes handed to `raw` and `payload` so far: after an error, where it left off. */
  readonly offset: number
  /** Whether the end of the archive was seen; whatever follows is `raw`. */
  readonly ended: boolean
}

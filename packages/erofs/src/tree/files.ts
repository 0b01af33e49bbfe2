import { grown } from './names.ts'

/** `<linux/stat.h>`. */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
} as const

/** Where the content of a regular file is. */
export const HELD = {
  /** In one piece, from the block in `data` on. */
  whole: 0,
  /** In pieces with holes between them: `data` is the index of an {@link Extent} list. */
  pieces: 1,
} as const

/** A piece of a file with holes: blocks of the file and where they are on its device. */
export interface Extent {
  /** Of the file. */
  readonly from: number
  readonly blocks: number
  /** Of the device. */
  readonly at: number
}

/** Adds a piece behind the others, or makes the last one longer. */
export function addExtent(extents: Extent[], next: Extent): void {
  const last = extents.at(-1)
  if (last && last.from + last.blocks === next.from && last.at + last.blocks === next.at) {
    extents[extents.length - 1] = { ...last, blocks: last.blocks + next.blocks }
  } else {
    extents.push(next)
  }
}

/** What a file is, its names aside, as plain numbers. */
export interface FileFields {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly sec: number
  readonly nsec: number
  readonly size?: number
  /**
   * Of a regular file, the block where it begins or which extents it has; of a device, its number
   * as the kernel encodes it; of a symbolic link, where in the arena its target is.
   */
  readonly data?: number
  readonly device?: number
  readonly held?: number
  /** Index of its set of extended attributes; 0 for none. */
  readonly xattrs?: number
}

/** Every file of a tree, in columns; see `Names`. */
export class Files {
  count = 0
  mode: Uint16Array = new Uint16Array(1024)
  uid: Uint32Array = new Uint32Array(1024)
  gid: Uint32Array = new Uint32Array(1024)
  sec: Float64Array = new Float64Array(1024)
  nsec: Uint32Array = new Uint32Array(1024)
  /** How many names it has. */
  links: Uint32Array = new Uint32Array(1024)
  size: Float64Array = new Float64Array(1024)
  data: Uint32Array = new Uint32Array(1024)
  /** Which of the image's devices its content is on; the last one is the layer at hand. */
  device: Uint16Array = new Uint16Array(1024)
  held: Uint8Array = new Uint8Array(1024)
  xattrs: Uint32Array = new Uint32Array(1024)
  readonly extents: (readonly Extent[])[] = []

  /** A file without a name yet. */
  add(fields: FileFields): number {
    const file = this.count++
    if (file === this.mode.length) this.#grow(file * 2)
    this.set(file, fields)
    return file
  }

  set(file: number, fields: FileFields): void {
    this.mode[file] = fields.mode
    this.uid[file] = fields.uid
    this.gid[file] = fields.gid
    this.sec[file] = fields.sec
    this.nsec[file] = fields.nsec
    this.size[file] = fields.size ?? 0
    this.data[file] = fields.data ?? 0
    this.device[file] = fields.device ?? 0
    this.held[file] = fields.held ?? HELD.whole
    this.xattrs[file] = fields.xattrs ?? 0
  }

  /** One of {@link S}. */
  type(file: number): number {
    return (this.mode[file] as number) & S.IFMT
  }

  /** A second file that is just as this one. */
  copy(file: number): number {
    return this.add({
      mode: this.mode[file] as number,
      uid: this.uid[file] as number,
      gid: this.gid[file] as number,
      sec: this.sec[file] as number,
      nsec: this.nsec[file] as number,
      size: this.size[file] as number,
      data: this.data[file] as number,
      device: this.device[file] as number,
      held: this.held[file] as number,
      xattrs: this.xattrs[file] as number,
    })
  }

  #grow(length: number): void {
    this.mode = grown(this.mode, length)
    this.uid = grown(this.uid, length)
    this.gid = grown(this.gid, length)
    this.sec = grown(this.sec, length)
    this.nsec = grown(this.nsec, length)
    this.links = grown(this.links, length)
    this.size = grown(this.size, length)
    this.data = grown(this.data, length)
    this.device = grown(this.device, length)
    this.held = grown(this.held, length)
    this.xattrs = grown(this.xattrs, length)
  }
}

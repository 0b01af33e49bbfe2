import { type FileFields, Files, S } from './files.ts'
import { Arena, Names } from './names.ts'
import { XattrSets } from './xattr-sets.ts'

/** A file that the tree's data is in. */
export interface Device {
  /** See `DeviceSlot`. */
  readonly tag: string
  readonly blocks: number
}

/** The directory that a missing parent becomes: 0755, root's, of 1970. */
export const PLAIN_DIRECTORY: FileFields = {
  mode: S.IFDIR | 0o755,
  uid: 0,
  gid: 0,
  sec: 0,
  nsec: 0,
}

/** Files that a tree has room for, unless told otherwise. */
const DEFAULT_MAX_FILES = 2 ** 23

/** All files of a stack of layers, without their contents. */
export class Tree {
  readonly names: Names
  readonly files: Files = new Files()
  readonly xattrs: XattrSets = new XattrSets()
  /** Targets of symbolic links. */
  readonly targets: Arena = new Arena()
  /**
   * The layers' files, base first; content on `devices.length` is in the image to be written. Once
   * it is, add it to them before the next layer goes on top.
   */
  readonly devices: Device[]

  constructor(devices: readonly Device[] = [], maxFiles: number = DEFAULT_MAX_FILES) {
    this.devices = [...devices]
    this.names = new Names(maxFiles)
    this.files.add(PLAIN_DIRECTORY)
  }

  /** Gives a file one more name. */
  link(directory: number, bytes: Uint8Array, from: number, to: number, file: number): number {
    const name = this.names.add(directory, bytes, from, to, file)
    this.files.links[file] = (this.files.links[file] as number) + 1
    return name
  }

  /** Takes a name away, and with a directory's all that is in it. */
  unlink(name: number): void {
    const file = this.names.file[name] as number
    if (this.files.type(file) === S.IFDIR) {
      for (const child of this.names.children(name)) this.unlink(child)
    }
    this.files.links[file] = (this.files.links[file] as number) - 1
    this.names.remove(name)
  }

  /** Type of what a name names; one of `S`. */
  typeOf(name: number): number {
    return this.files.type(this.names.file[name] as number)
  }

  /** A symbolic link's target, valid until the next one is added. */
  targetOf(file: number): Uint8Array {
    const at = this.files.data[file] as number
    return this.targets.bytes.subarray(at, at + (this.files.size[file] as number))
  }
}

export { NONE, ROOT } from './names.ts'

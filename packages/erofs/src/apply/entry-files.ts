import type { TarEntry } from '@varve/tar'
import { invalid, tooMuch, unsafe } from '../fault.ts'
import { HELD, S } from '../tree/files.ts'
import type { Tree } from '../tree/tree.ts'
import type { Xattr } from '../tree/xattr-sets.ts'
import { deviceNumber, metadataOf, xattrsOf } from './entry-metadata.ts'
import type { ErofsLimits } from './limits.ts'
import { ExtentBudget, extentsInPlace, type PendingCopy } from './sparse.ts'

const BLOCK = 512

/** How a layer is applied. */
export interface ApplyRules {
  readonly limits: Required<ErofsLimits>
  /** The name under which an attribute is kept; undefined to leave it out. */
  readonly xattrName: (name: string) => string | undefined
  /** Where the tar begins in the image, in bytes. */
  readonly tarStart: number
}

/** Makes files of entries, without names. */
export class EntryFiles {
  /** Attributes that cannot be kept. */
  omittedXattrs = 0
  /** Files whose content has to be copied, because its pieces are no blocks. */
  readonly copies: PendingCopy[] = []
  readonly #tree: Tree
  readonly #rules: ApplyRules
  readonly #budget = new ExtentBudget()

  constructor(tree: Tree, rules: ApplyRules) {
    this.#tree = tree
    this.#rules = rules
  }

  /** @param payload where in the tar the entry's content begins */
  make(entry: TarEntry, payload: number): number {
    switch (entry.type) {
      case 'directory':
        return this.#add(entry, S.IFDIR)
      case 'symlink':
        return this.#symlink(entry)
      case 'char':
      case 'block': {
        const data = deviceNumber(entry)
        if (entry.type === 'char' && data === 0) {
          throw unsafe(entry.name, 'the device 0:0 hides files on an overlay')
        }
        return this.#add(entry, entry.type === 'char' ? S.IFCHR : S.IFBLK, { data })
      }
      case 'fifo':
        return this.#add(entry, S.IFIFO)
      default:
        return this.#regular(entry, payload)
    }
  }

  /**
   * Gives a file an entry's metadata.
   *
   * @param keepXattrs whether those that it has stay, if the entry does not set them anew
   */
  describe(file: number, entry: TarEntry, keepXattrs: boolean): void {
    const { files, xattrs } = this.#tree
    const { permissions, uid, gid, sec, nsec } = metadataOf(entry)
    const sameOwner = files.uid[file] === uid && files.gid[file] === gid
    files.mode[file] = files.type(file) | permissions
    files.uid[file] = uid
    files.gid[file] = gid
    files.sec[file] = sec
    files.nsec[file] = nsec
    const before = keepXattrs ? xattrs.get(files.xattrs[file] as number) : []
    // As the kernel, which takes capabilities away from what gets another owner.
    const kept = sameOwner ? before : before.filter(({ name }) => name !== 'security.capability')
    files.xattrs[file] = this.#xattrs(entry, kept)
  }

  #add(entry: TarEntry, type: number, more: { size?: number; data?: number } = {}): number {
    const { permissions, ...rest } = metadataOf(entry)
    const xattrs = this.#xattrs(entry, [])
    return this.#tree.files.add({ mode: type | permissions, ...rest, ...more, xattrs })
  }

  #symlink(entry: TarEntry): number {
    const { linkname } = entry
    if (linkname.length === 0) throw invalid(entry.name, 'it links to nothing')
    if (linkname.length > this.#rules.limits.pathLength || linkname.includes(0)) {
      throw invalid(entry.name, 'what it links to is no path')
    }
    const data = this.#tree.targets.add(linkname, 0, linkname.length)
    const file = this.#add(entry, S.IFLNK, { size: linkname.length, data })
    // As on every file system of Linux, whatever the tar says.
    this.#tree.files.mode[file] = S.IFLNK | 0o777
    return file
  }

  #regular(entry: TarEntry, payload: number): number {
    const { size, sparse } = entry
    const { limits, tarStart } = this.#rules
    const { files, devices } = this.#tree
    if (size > limits.fileBytes) throw tooMuch('bytes in one file', limits.fileBytes)
    const block = (tarStart + payload) / BLOCK
    const file = this.#add(entry, S.IFREG, { size, data: block })
    files.device[file] = devices.length
    if (!sparse) return file
    this.#budget.spend(sparse.regions.length + 1)
    const inPlace = extentsInPlace(entry, block)
    files.held[file] = HELD.pieces
    files.data[file] = files.extents.length
    files.extents.push(inPlace ?? [])
    if (!inPlace) this.copies.push({ file, size, regions: sparse.regions, payload })
    return file
  }

  /** The set of an entry's attributes, added to others. */
  #xattrs(entry: TarEntry, before: readonly Xattr[]): number {
    if (entry.xattrs.size === 0) return this.#tree.xattrs.add(before)
    const { xattrName, limits } = this.#rules
    const { kept, omitted } = xattrsOf(entry, xattrName, limits.xattrBytes)
    this.omittedXattrs += omitted
    const all = new Map([...before, ...kept].map((xattr) => [xattr.name, xattr]))
    return this.#tree.xattrs.add([...all.values()])
  }
}

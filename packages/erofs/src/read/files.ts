import { corrupt } from '../fault.ts'
import type { Inode } from '../format/inode.ts'
import { S } from '../tree/files.ts'
import type { Inodes } from './inodes.ts'
import { isDots } from './load-tree.ts'
import type { Pages } from './pages.ts'
import { type ErofsStat, statOf } from './stat.ts'

const MAX_TARGET = 4095

/** A file of an image. */
export interface Found {
  readonly nid: number
  readonly inode: Inode
}

/** A name in a directory of an image. */
export interface ErofsEntry {
  readonly name: Uint8Array
  readonly stat: ErofsStat
}

/** Files of an image by their numbers. */
export class Files {
  readonly pages: Pages
  readonly inodes: Inodes

  constructor(pages: Pages, inodes: Inodes) {
    this.pages = pages
    this.inodes = inodes
  }

  /** Names of a directory but `.` and `..`. */
  async *entries({ nid, inode }: Found): AsyncGenerator<ErofsEntry> {
    for (let block = 0; block < this.inodes.blocksOf(inode); block++) {
      const dirents = await this.pages.run(() => this.inodes.dirents(nid, inode, block))
      for (const { name, nid: child } of dirents) {
        if (isDots(name)) continue
        yield { name: name.slice(), stat: await this.stat(child) }
      }
    }
  }

  async inode(nid: number): Promise<Found> {
    return { nid, inode: await this.pages.run(() => this.inodes.inode(nid)) }
  }

  /** All of it in one step: a wait for each part would take longer than the part. */
  async stat(nid: number): Promise<ErofsStat> {
    return await this.pages.run(() => {
      const inode = this.inodes.inode(nid)
      const target = is({ inode }, S.IFLNK) ? this.target({ nid, inode }) : undefined
      return statOf(nid, inode, target, this.inodes.xattrs(nid, inode))
    })
  }

  /** Where a link leads. For steps of {@link Pages}. */
  target({ nid, inode }: Found): Uint8Array {
    if (inode.size > MAX_TARGET) throw corrupt('a link leads nowhere')
    return this.inodes.metadata(nid, inode, 0, inode.size).slice()
  }
}

/** Whether a file is of a type of `S`. */
export function is({ inode }: { readonly inode: Inode }, type: number): boolean {
  return (inode.mode & S.IFMT) === type
}

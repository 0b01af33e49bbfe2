import type { TarEntry } from '@varve/tar'
import { cleanEntryName } from '../apply/entry-name.ts'
import { linkTarget } from '../apply/make-link.ts'
import { AUFS_LINKS, AUFS_PREFIX, OPAQUE_NAME, WHITEOUT_PREFIX } from '../apply/whiteouts.ts'
import { baseOf, joined, parentOf, toBinary } from '../safe-root/binary.ts'

const LONGEST_NAME = 4095

/** A file as the tar leaves it; several names of it share one. */
export interface Expected {
  /** What made it; undefined if a lower layer did. */
  readonly made: TarEntry | undefined
  /** What its metadata was set by: also a hard link's header. */
  metadata: TarEntry
  /** Which file in the tree it turned out to be, and under which name. */
  seen?: { readonly inode: string; readonly name: string }
}

/** What a tar leaves behind: the last word on each name, and what it hides. */
export class ExpectedTree {
  /** By the names of the tar, cleaned, in the order in which they were last set. */
  readonly files = new Map<string, Expected>()
  readonly hidden = new Set<string>()
  /** Directories that hold nothing of lower layers. */
  readonly opaque = new Set<string>()
  /** Paths directly in each directory that the tar names, or names something in. */
  readonly #children = new Map<string, Set<string>>()
  readonly #aufs = new Map<string, TarEntry>()

  add(entry: TarEntry): void {
    if (entry.type === 'global' || entry.type === 'other') return
    const name = toBinary(entry.name)
    const path = cleanEntryName(name, LONGEST_NAME)
    const base = baseOf(path)
    if (path.startsWith(AUFS_PREFIX) && path !== OPAQUE_NAME) {
      if (entry.type === 'file') this.#aufs.set(path, entry)
    } else if (base === OPAQUE_NAME) {
      this.opaque.add(parentOf(path))
    } else if (base.startsWith(WHITEOUT_PREFIX)) {
      this.hidden.add(joined(parentOf(path), base.slice(WHITEOUT_PREFIX.length)))
    } else if (entry.type === 'link') {
      this.#addLink(path, entry, linkTarget(entry, name, LONGEST_NAME))
    } else {
      this.#set(path, { made: entry, metadata: entry }, entry.type === 'directory')
    }
  }

  #addLink(path: string, entry: TarEntry, target: string): void {
    if (target.startsWith(`${AUFS_LINKS}/`)) {
      const source = this.#aufs.get(target)
      if (source) this.#set(path, { made: source, metadata: source }, false)
      return
    }
    const expected = this.files.get(target) ?? { made: undefined, metadata: entry }
    if (expected.made?.type !== 'symlink') expected.metadata = entry
    this.#set(path, expected, false)
  }

  #set(path: string, expected: Expected, isDirectory: boolean): void {
    // If it was a directory, what was beneath went with it.
    if (!isDirectory) this.#removeBeneath(path)
    this.files.delete(path)
    this.files.set(path, expected)
    this.#list(path)
  }

  /** Lists a path in its parent, and that in its own. */
  #list(path: string): void {
    for (let at = path; at !== ''; ) {
      const parent = parentOf(at)
      const listed = this.#children.get(parent)
      if (listed) {
        listed.add(at)
        return
      }
      this.#children.set(parent, new Set([at]))
      at = parent
    }
  }

  #removeBeneath(path: string): void {
    const children = this.#children.get(path) ?? []
    this.#children.delete(path)
    for (const child of children) {
      this.files.delete(child)
      this.#removeBeneath(child)
    }
  }
}

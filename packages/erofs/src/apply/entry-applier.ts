import type { TarEntry, TarScanner, TarVisitor } from '@varve/tar'
import { invalid, tooMuch, unsafe } from '../fault.ts'
import { S } from '../tree/files.ts'
import { NONE, ROOT, type Tree } from '../tree/tree.ts'
import { type ApplyRules, EntryFiles } from './entry-files.ts'
import { LayerMarks } from './layer-marks.ts'
import { entryPath, findDirectory, makeParent, type Part } from './paths.ts'
import { hidesNoName, isAufsFile, isAufsOwn, whiteoutOf } from './whiteout-names.ts'

/**
 * Puts the entries of a layer's tar into a tree, as if they were unpacked over the layers beneath,
 * but for the contents: those stay where they are in the tar.
 */
export class EntryApplier implements TarVisitor {
  entries = 0
  /** Sum of what the headers say, as Docker counts. */
  size = 0
  readonly made: EntryFiles
  /** Set right after the scanner was made: it tells where a payload begins. */
  scanner: TarScanner | undefined

  readonly #tree: Tree
  readonly #rules: ApplyRules
  readonly #marks: LayerMarks
  /** Files that links stand for, by name (AUFS). */
  readonly #aufs = new Map<string, number>()

  constructor(tree: Tree, rules: ApplyRules) {
    this.#tree = tree
    this.#rules = rules
    this.#marks = new LayerMarks(tree)
    this.made = new EntryFiles(tree, rules)
  }

  entry(entry: TarEntry): void {
    const { limits } = this.#rules
    if (++this.entries > limits.entries) throw tooMuch('entries', limits.entries)
    if (entry.claimedSize > 0) this.size += entry.claimedSize
    if (entry.type === 'global') return
    if (entry.type === 'other') {
      const flag = JSON.stringify(String.fromCharCode(entry.typeflag))
      throw invalid(entry.name, `its type ${flag} is not for layers`)
    }
    const path = entryPath(entry.name, limits.pathLength, entry.name)
    const hides = whiteoutOf(path)
    if (isAufsOwn(path)) this.#addAufs(entry, path)
    else if (hides) this.#hide(entry, path, hides)
    else if (path.length === 0) this.#describeRoot(entry)
    else if (entry.type === 'link') this.#putLink(entry, path)
    else this.#put(entry, path)
  }

  // The content is in the image already, or copied once all is known.
  payload(): void {}

  entryEnd(): void {}

  #describeRoot(entry: TarEntry): void {
    // CVE-2021-29136: a symbolic link in the root's place.
    if (entry.type !== 'directory') throw unsafe(entry.name, `the root cannot be a ${entry.type}`)
    this.made.describe(this.#tree.names.file[ROOT] as number, entry, false)
  }

  #put(entry: TarEntry, path: readonly Part[]): void {
    const directory = this.#parent(entry, path)
    const name = this.#nameIn(directory, path)
    const isMerge = name !== NONE && this.#tree.typeOf(name) === S.IFDIR
    if (entry.type === 'directory' && isMerge) {
      this.made.describe(this.#tree.names.file[name] as number, entry, false)
      this.#marks.wrote(name, false)
      return
    }
    this.#name(directory, path, this.#make(entry))
  }

  #putLink(entry: TarEntry, path: readonly Part[]): void {
    const { names, files } = this.#tree
    const to = this.#linkPath(entry)
    const aufs = this.#aufs.get(keyOf(to))
    if (aufs !== undefined) {
      this.#name(this.#parent(entry, path), path, files.copy(aufs))
      return
    }
    const target = this.#nameAt(to)
    if (target === NONE) throw invalid(entry.name, 'what it links to is missing')
    const file = names.file[target] as number
    if (files.type(file) === S.IFDIR) throw invalid(entry.name, 'it links to a directory')
    const directory = this.#parent(entry, path)
    const name = this.#nameIn(directory, path)
    if (name === target) throw invalid(entry.name, 'it links to itself')
    if (name !== NONE) this.#tree.unlink(name)
    if (names.file[target] === NONE) {
      throw invalid(entry.name, 'what it links to is in the directory that it replaces')
    }
    this.#name(directory, path, file)
    if (files.type(file) !== S.IFLNK) this.made.describe(file, entry, true)
  }

  #hide(entry: TarEntry, path: readonly Part[], hides: Uint8Array | 'all'): void {
    if (hidesNoName(hides)) throw unsafe(entry.name, 'it hides no name')
    // Under what is no directory there is nothing to hide.
    const directory = findDirectory(this.#tree, path.slice(0, -1), () => NONE)
    if (directory === NONE) return
    if (hides === 'all') {
      this.#marks.removeLowerChildren(directory)
      return
    }
    const name = this.#tree.names.find(directory, hides, 0, hides.length)
    if (name !== NONE) this.#marks.removeLower(name)
  }

  /** No part of the layer, but what links of the layer stand for. */
  #addAufs(entry: TarEntry, path: readonly Part[]): void {
    if (entry.type === 'file' && isAufsFile(path)) this.#aufs.set(keyOf(path), this.#make(entry))
  }

  #make(entry: TarEntry): number {
    return this.made.make(entry, this.scanner?.offset ?? 0)
  }

  /** Gives a file a name, whatever had it before. */
  #name(directory: number, path: readonly Part[], file: number): void {
    const { bytes, from, to } = path.at(-1) as Part
    const before = this.#nameIn(directory, path)
    if (before !== NONE) this.#tree.unlink(before)
    this.#marks.wrote(this.#tree.link(directory, bytes, from, to, file), true)
  }

  /** The directory that a path's last component belongs in; missing ones are made. */
  #parent(entry: TarEntry, path: readonly Part[]): number {
    const directory = findDirectory(this.#tree, path.slice(0, -1), (at, part) => {
      const made = makeParent(this.#tree, at, part)
      this.#marks.wrote(made, true)
      return made
    })
    if (directory === NONE)
      throw invalid(entry.name, 'what is on the way is no directory, or a ring of links')
    return directory
  }

  #linkPath(entry: TarEntry): readonly Part[] {
    let path: readonly Part[]
    try {
      path = entryPath(entry.linkname, this.#rules.limits.pathLength, entry.name)
    } catch (cause) {
      throw unsafe(entry.name, `what it links to cannot be (${(cause as Error).message})`)
    }
    if (path.length === 0) throw unsafe(entry.name, 'it links to the root')
    return path
  }

  /** What is at a path, a final symbolic link not followed. */
  #nameAt(path: readonly Part[]): number {
    const directory = findDirectory(this.#tree, path.slice(0, -1), () => NONE)
    return directory === NONE ? NONE : this.#nameIn(directory, path)
  }

  /** What a directory has under a path's last component. */
  #nameIn(directory: number, path: readonly Part[]): number {
    const { bytes, from, to } = path.at(-1) as Part
    return this.#tree.names.find(directory, bytes, from, to)
  }
}

function keyOf(path: readonly Part[]): string {
  return path
    .map(({ bytes, from, to }) => String.fromCharCode(...bytes.subarray(from, to)))
    .join('/')
}

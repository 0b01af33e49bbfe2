import { AT, DT, S } from '@varve/sys'
import { fromBinary, joined, parentOf, toBinary } from '../safe-root/binary.ts'
import { codeOf, type FileCalls } from '../safe-root/calls.ts'
import type { Directory, MakeMissing, SafeRoot } from '../safe-root/safe-root.ts'
import type { Aside, Payload } from './aside.ts'

/** What the layer has at a path, if not a file with a payload: it wrote it, or something beneath. */
const TOUCHED = 0
/** Nothing beneath comes from a lower layer: it is new, or what was there has been removed. */
const PURE = 1

/**
 * The tree that a layer is applied on, with the knowledge of what in it is the layer's own: whiteouts
 * must not remove that, and a payload that is removed all the same is kept aside.
 *
 * Everything is known by its path without symbolic links, so that `run/x` and `var/run/x` are one.
 */
export class LayerTree {
  readonly root: SafeRoot
  readonly #calls: FileCalls
  readonly #aside: Aside | undefined
  /** Every path that this layer has touched, with all its parents, and the payloads now in place. */
  readonly #touched = new Map<string, typeof TOUCHED | typeof PURE | Payload>()
  /** Those whose name in the tar is not the path that it was written to. */
  readonly #aliased = new Map<Payload, { readonly path: string; readonly name: string }>()
  #bytes: number | undefined = 0
  /** Called with the path of every directory that is removed. */
  readonly #directoryRemoved: (path: string) => void

  constructor(root: SafeRoot, aside: Aside | undefined, directoryRemoved: (path: string) => void) {
    this.root = root
    this.#calls = root.calls
    this.#aside = aside
    this.#directoryRemoved = directoryRemoved
    this.#touched.set('', TOUCHED)
  }

  /** Notes that the layer wrote this; `fresh` if nothing of a lower layer can be beneath. */
  wrote(path: string, fresh: boolean): void {
    if (fresh || !this.#touched.has(path)) this.#touched.set(path, fresh ? PURE : TOUCHED)
    for (let up = parentOf(path); !this.#touched.has(up); up = parentOf(up)) {
      this.#touched.set(up, TOUCHED)
    }
  }

  /** Bytes of all that the layer {@link holds}; undefined once any file was removed. */
  get bytes(): number | undefined {
    return this.#bytes
  }

  /** Notes how long a new file, or the target of a new symbolic link, will be. */
  holds(bytes: number): void {
    if (this.#bytes !== undefined) this.#bytes += bytes
  }

  /** Whether the layer has written this, or something beneath it. */
  isOwn(path: string): boolean {
    return this.#touched.has(path)
  }

  /** Notes which payload is at a path now. `name` is the cleaned name from the tar. */
  wrotePayload(path: string, name: string, payload: Payload): void {
    if (!this.#aside) return
    this.#touched.set(path, payload)
    if (path !== name) this.#aliased.set(payload, { path, name })
  }

  /** Removes whatever is at a path, without following it. */
  remove(parent: string, name: string): void {
    this.#remove(parent, name, DT.UNKNOWN)
  }

  /** Removes what lower layers have at a path. */
  removeLower(parent: string, name: string): void {
    const path = joined(parent, name)
    if (!this.#touched.has(path)) this.remove(parent, name)
    else if (this.#isDirectory(parent, name)) this.removeLowerChildren(path)
  }

  /** Removes what lower layers have in a directory; what is in it of this layer stays. */
  removeLowerChildren(path: string): void {
    // Once is enough: what comes into a pure directory later is this layer's.
    if (this.#touched.get(path) === PURE) return
    for (const { name, type } of this.root.list(path)) {
      const child = toBinary(name)
      const childPath = joined(path, child)
      if (!this.#touched.has(childPath)) this.#remove(path, child, type)
      else if (type === DT.DIR || (type === DT.UNKNOWN && this.#isDirectory(path, child))) {
        this.removeLowerChildren(childPath)
      }
    }
    this.#touched.set(path, PURE)
    this.wrote(path, true)
  }

  /**
   * Keeps aside what is in the layer but can no longer be found by its name in the tar, because a
   * symbolic link on the way has changed since.
   */
  settle(): void {
    for (const [payload, { path, name }] of this.#aliased) {
      if (this.#touched.get(path) !== payload) continue
      const base = name.slice(name.lastIndexOf('/') + 1)
      if (this.directoryAt(parentOf(name)) === parentOf(path)) continue
      this.#aside?.takeLink(payload, this.root.open(parentOf(path)), base)
    }
  }

  /** The directory that a path leads to, without symbolic links; undefined if it leads to none. */
  directoryAt(path: string, make?: MakeMissing): string | undefined {
    try {
      return this.root.directory(path, make)?.path
    } catch (error) {
      if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ELOOP') return undefined
      throw error
    }
  }

  #isDirectory(parent: string, name: string): boolean {
    const stat = this.#calls.statIfAny(this.root.open(parent).fd, fromBinary(name))
    return stat !== undefined && (stat.mode & S.IFMT) === S.IFDIR
  }

  // Directories are asked for again by path at each step: their handles are only borrowed.
  #remove(parent: string, name: string, type: number): void {
    const path = joined(parent, name)
    const isDirectory = type === DT.DIR || (type === DT.UNKNOWN && this.#isDirectory(parent, name))
    if (isDirectory) {
      for (const child of this.root.list(path)) {
        this.#remove(path, toBinary(child.name), child.type)
      }
      this.root.forget(path, true)
      this.#calls.unlinkIfAny(this.root.open(parent).fd, fromBinary(name), AT.REMOVEDIR)
      this.#directoryRemoved(path)
    } else {
      const directory: Directory = this.root.open(parent)
      this.#bytes = undefined
      const payload = this.#touched.get(path)
      if (typeof payload === 'object') {
        this.#aside?.take(payload, directory, name)
        this.#aliased.delete(payload)
      } else {
        this.#calls.unlinkIfAny(directory.fd, fromBinary(name))
      }
      this.root.forget(path, false)
    }
    this.#touched.delete(path)
  }
}

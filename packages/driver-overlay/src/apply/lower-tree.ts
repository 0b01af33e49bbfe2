import { openRoot, type SafeRoot } from '@varve/archive'
import { escapeXattr, isWhiteoutDevice, type Marks } from '@varve/overlayfs'
import { type FileStat, type NativeCalls, O, S, type Sys, type SysError } from '@varve/sys'
import { copyMetadata, ITSELF, type MetadataRules, type Spot } from '@varve/trees'

/** What says that there is no directory of that path. */
const NOTHING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV'])

/** All that is beneath a layer, to copy from. */
export class LowerTree implements Disposable {
  readonly #native: NativeCalls
  readonly #root: SafeRoot | undefined
  readonly #rules: MetadataRules

  /**
   * @param path of the merged layers; undefined beneath a base layer
   * @param merged whether that is a mount, which hides marks and shows escaped names as they were
   */
  constructor(
    sys: Sys,
    native: NativeCalls,
    path: string | undefined,
    merged: boolean,
    marks: Marks,
  ) {
    this.#native = native
    this.#root = path === undefined ? undefined : openRoot(path, { sys })
    const rename = merged ? escapeXattr : (name: string) => (marks.isMark(name) ? undefined : name)
    this.#rules = { keepOwner: true, rename }
  }

  /** What is at a name; undefined if nothing is. */
  stat(parent: string, name: Uint8Array): FileStat | undefined {
    const fd = this.#open(parent)
    const stat = fd === undefined ? undefined : this.#native.statIfAny(fd, name)
    return stat && !isWhiteoutDevice(stat) ? stat : undefined
  }

  /** Whether there is a directory of this path. */
  hasDirectory(path: string): boolean {
    return this.#open(path) !== undefined
  }

  /** Names in the root. */
  rootNames(): Uint8Array[] {
    return this.#root?.list('').map(({ name }) => name) ?? []
  }

  /** Copies a file, whatever it is; of a directory, only itself. */
  copy(parent: string, name: Uint8Array, stat: FileStat, to: number): void {
    const from = this.#open(parent)
    if (from === undefined) return
    const native = this.#native
    const type = stat.mode & S.IFMT
    if (type === S.IFREG) {
      this.#copyFile(from, to, name)
      return
    }
    if (type === S.IFDIR) native.mkdirat(to, name, 0o700)
    else if (type === S.IFLNK) native.symlinkat(native.readlinkat(from, name), to, name)
    else native.mknodat(to, name, type | 0o600, stat.rdevMajor, stat.rdevMinor)
    this.#copyMetadata([from, name], [to, name], stat)
  }

  [Symbol.dispose](): void {
    this.#root?.[Symbol.dispose]()
  }

  #copyFile(from: number, to: number, name: Uint8Array): void {
    const native = this.#native
    const source = native.openat(from, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK)
    try {
      const target = native.openat(to, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600)
      try {
        const stat = native.fstat(source)
        native.copyFileData(source, target, stat.size)
        this.#copyMetadata([source, ITSELF], [target, ITSELF], stat)
      } finally {
        native.close(target)
      }
    } finally {
      native.close(source)
    }
  }

  #copyMetadata(from: Spot, to: Spot, stat: FileStat): void {
    copyMetadata(this.#native, from, to, stat, this.#rules)
  }

  #open(path: string): number | undefined {
    try {
      return this.#root?.open(path).fd
    } catch (error) {
      if (NOTHING.has((error as SysError).code)) return undefined
      throw error
    }
  }
}

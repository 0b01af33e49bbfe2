import type { Change } from '@varve/core'
import { type FileStat, S } from '@varve/sys'
import { fromBinary, joined, parentOf, toBinary } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import type { LayerMarks } from './layer-marks.ts'

/** A change, its path as a binary string without a leading slash. */
export interface Found {
  readonly kind: Change['kind']
  readonly path: string
}

/** How two trees differ. */
export interface Difference {
  /** Sorted by path. */
  readonly changes: readonly Found[]
  /**
   * What a tar of the changes must hold besides them: unchanged names of files that also have
   * changed names, or the link between them would be lost, and the directories that these are in.
   */
  readonly unchanged: readonly string[]
}

/** So many names between two pauses. */
const STRIDE = 512
const CAPABILITY = Buffer.from('security.capability')
const NANO = 1_000_000_000n

/**
 * Finds what is different in `upper` (moby's and containerd's “naive diff”). Yields now and then so
 * that the caller can let others have a turn.
 *
 * @param lower undefined: everything is new
 * @param marks given if `upper` holds only what is different
 */
export function* compareTrees(
  upper: SafeRoot,
  lower: SafeRoot | undefined,
  marks?: LayerMarks,
): Generator<undefined, Difference> {
  const comparison = new Comparison(upper, lower, marks)
  yield* comparison.directory('', lower !== undefined, marks === undefined)
  return comparison.result()
}

class Comparison {
  readonly #upper: SafeRoot
  readonly #lower: SafeRoot | undefined
  readonly #marks: LayerMarks | undefined
  readonly #changes: Found[] = []
  /** Paths of files that have several, by inode. */
  readonly #names = new Map<string, { readonly all: string[]; changed: number }>()
  #seen = 0

  constructor(upper: SafeRoot, lower: SafeRoot | undefined, marks: LayerMarks | undefined) {
    this.#upper = upper
    this.#lower = lower
    this.#marks = marks
  }

  /**
   * Compares what is in a directory; returns whether anything is different.
   *
   * @param whole whether the upper directory has all that there is; if not, what it lacks is as in
   *   the lower one
   */
  *directory(path: string, isInLower: boolean, whole: boolean): Generator<undefined, boolean> {
    const before = this.#changes.length
    const gone = new Set<string>()
    const all =
      whole || this.#marks?.isOpaque(this.#upper.calls, this.#upper.open(path).fd) === true
    if (isInLower && all) {
      for (const { name } of this.#lower?.list(path) ?? []) gone.add(toBinary(name))
    }
    for (const { name: bytes } of this.#upper.list(path)) {
      if (++this.#seen % STRIDE === 0) yield
      const name = toBinary(bytes)
      const now = statOf(this.#upper, path, bytes)
      if (!now) continue
      const mayBeInLower = all ? gone.delete(name) : isInLower
      const was = mayBeInLower && this.#lower ? statOf(this.#lower, path, bytes) : undefined
      if (this.#isWhiteout(path, bytes, now)) {
        if (was) gone.add(name)
      } else {
        yield* this.#name(joined(path, name), now, was, all)
      }
    }
    for (const name of gone) this.#changes.push({ kind: 'delete', path: joined(path, name) })
    return this.#changes.length > before
  }

  #isWhiteout(path: string, name: Uint8Array, stat: FileStat): boolean {
    if (!this.#marks) return false
    return this.#marks.isWhiteout(this.#upper.calls, this.#upper.open(path).fd, name, stat)
  }

  *#name(
    path: string,
    now: FileStat,
    was: FileStat | undefined,
    whole: boolean,
  ): Generator<undefined, void> {
    if (was && was.ino === now.ino && was.dev === now.dev) return
    const kind = !was ? 'add' : this.#isDifferent(path, now, was) ? 'modify' : undefined
    if (kind) this.#changes.push({ kind, path })
    if (isDirectory(now)) {
      const inside = yield* this.directory(path, was !== undefined && isDirectory(was), whole)
      // Otherwise applying the changes would leave it with another time.
      if (inside && !kind) this.#changes.push({ kind: 'modify', path })
    } else if (now.nlink > 1) {
      this.#noteName(path, now, kind !== undefined)
    }
  }

  #noteName(path: string, stat: FileStat, changed: boolean): void {
    const key = inodeKey(stat)
    const names = this.#names.get(key) ?? { all: [], changed: 0 }
    names.all.push(path)
    if (changed) names.changed++
    this.#names.set(key, names)
  }

  #isDifferent(path: string, now: FileStat, was: FileStat): boolean {
    if (now.mode !== was.mode || now.uid !== was.uid || now.gid !== was.gid) return true
    if (now.rdevMajor !== was.rdevMajor || now.rdevMinor !== was.rdevMinor) return true
    if (isDirectory(now)) return false
    if (now.size !== was.size || !isSameTime(now.mtimeNs, was.mtimeNs)) return true
    if ((now.mode & S.IFMT) !== S.IFREG || !this.#lower) return false
    const [mine, theirs] = [capability(this.#upper, path), capability(this.#lower, path)]
    return Buffer.compare(mine, theirs) !== 0
  }

  result(): Difference {
    const changes = this.#changes.sort((a, b) => compareText(a.path, b.path))
    const unchanged = new Set<string>()
    for (const { all, changed } of this.#names.values()) {
      if (changed > 0 && changed < all.length) for (const path of all) unchanged.add(path)
    }
    for (const path of [...unchanged]) {
      for (let up = parentOf(path); up !== ''; up = parentOf(up)) unchanged.add(up)
    }
    if (unchanged.size > 0) for (const { path } of changes) unchanged.delete(path)
    return { changes, unchanged: [...unchanged] }
  }
}

/** What two names of one file have in common. */
export function inodeKey(stat: FileStat): string {
  return `${stat.dev}:${stat.ino}`
}

/** By bytes. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function isDirectory(stat: FileStat): boolean {
  return (stat.mode & S.IFMT) === S.IFDIR
}

/** As moby: tars hold whole seconds, so a time without a fraction equals any in its second. */
function isSameTime(a: bigint, b: bigint): boolean {
  if (a === b) return true
  return a / NANO === b / NANO && (a % NANO === 0n || b % NANO === 0n)
}

function statOf(root: SafeRoot, directory: string, name: Uint8Array): FileStat | undefined {
  return root.calls.statIfAny(root.open(directory).fd, name)
}

function capability(root: SafeRoot, path: string): Uint8Array {
  const { fd } = root.open(parentOf(path))
  const name = fromBinary(path.slice(path.lastIndexOf('/') + 1))
  return root.calls.getxattr(fd, name, CAPABILITY) ?? new Uint8Array(0)
}

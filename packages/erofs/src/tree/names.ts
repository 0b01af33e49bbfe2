import { tooMuch } from '../fault.ts'

/** No name: the end of a list, or nothing found. */
export const NONE = -1
/** The root has a name too: the empty one, in itself. */
export const ROOT = 0
/** Directories in each other; a path of 4,096 bytes has no more. */
const MAX_DEPTH = 2048
/** Bytes of names and link targets together. */
const MAX_BYTES = 2 ** 30

/** A larger copy of a column. */
export function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array>(
  column: T,
  length: number,
): T {
  const larger = new (column.constructor as new (length: number) => T)(length)
  larger.set(column as never)
  return larger
}

/** Bytes one behind the other, found again by offset and length. */
export class Arena {
  bytes: Uint8Array = new Uint8Array(64 * 1024)
  length = 0

  /** Returns the offset. @throws LayerError `ERR_LIMIT_EXCEEDED` */
  add(source: Uint8Array, from: number, to: number): number {
    const at = this.length
    const end = at + to - from
    if (end > MAX_BYTES) throw tooMuch('bytes of names and link targets', MAX_BYTES)
    if (end > this.bytes.length) this.bytes = grown(this.bytes, Math.max(end, at * 2))
    const { bytes } = this
    for (let i = from, j = at; i < to; i++, j++) bytes[j] = source[i] as number
    this.length = end
    return at
  }
}

/**
 * Every name of a tree: in which directory it is, and which file it names. Kept in columns, because
 * a million objects would take five times the memory.
 *
 * A directory has one name only, so that a name also stands for the directory.
 */
export class Names {
  count = 0
  readonly arena: Arena = new Arena()
  /** Name of the directory that it is in. */
  parent: Int32Array = new Int32Array(1024)
  /** Which file it names; {@link NONE} once it is removed. */
  file: Int32Array = new Int32Array(1024)
  /** What the layer at hand did to it; see `LayerMarks`. */
  mark: Uint8Array = new Uint8Array(1024)
  #at = new Uint32Array(1024)
  #length = new Uint8Array(1024)
  #depth = new Uint16Array(1024)
  #firstChild = new Int32Array(1024)
  #nextSibling = new Int32Array(1024)
  #nextInBucket = new Int32Array(1024)
  #buckets = new Int32Array(2048).fill(NONE)
  readonly #limit: number
  /** Differs each time, so that nobody can choose names that all fall into one bucket. */
  readonly #seed = Math.floor(Math.random() * 2 ** 32)

  /** @param limit how many there may be */
  constructor(limit: number) {
    this.#limit = limit
    this.#append(ROOT, 0, 0, 0)
  }

  /** @throws LayerError `ERR_LIMIT_EXCEEDED` */
  add(directory: number, bytes: Uint8Array, from: number, to: number, file: number): number {
    if (this.count >= this.#limit) throw tooMuch('files', this.#limit)
    const name = this.#append(directory, this.arena.add(bytes, from, to), to - from, file)
    this.#nextSibling[name] = this.#firstChild[directory] as number
    this.#firstChild[directory] = name
    const depth = (this.#depth[directory] as number) + 1
    if (depth > MAX_DEPTH) throw tooMuch('directories in each other', MAX_DEPTH)
    this.#depth[name] = depth
    if (this.count > this.#buckets.length) this.#rehash()
    else this.#link(name)
    return name
  }

  /** What a directory has under a name, or {@link NONE}. */
  find(directory: number, bytes: Uint8Array, from: number, to: number): number {
    const length = to - from
    let name = this.#buckets[this.#bucketOf(directory, bytes, from, to)] as number
    while (name !== NONE) {
      if (this.parent[name] === directory && this.#length[name] === length) {
        const at = this.#at[name] as number
        let i = 0
        while (i < length && this.arena.bytes[at + i] === bytes[from + i]) i++
        if (i === length && this.file[name] !== NONE) return name
      }
      name = this.#nextInBucket[name] as number
    }
    return NONE
  }

  /** Removes a name, which has no children any more. */
  remove(name: number): void {
    this.file[name] = NONE
  }

  /** The bytes of a name, valid until the next one is added. */
  bytes(name: number): Uint8Array {
    const at = this.#at[name] as number
    return this.arena.bytes.subarray(at, at + (this.#length[name] as number))
  }

  length(name: number): number {
    return this.#length[name] as number
  }

  /** Copies the bytes of a name; quicker than a view of them. */
  copyTo(name: number, target: Uint8Array, at: number): void {
    const { bytes } = this.arena
    const from = this.#at[name] as number
    const length = this.#length[name] as number
    for (let i = 0; i < length; i++) target[at + i] = bytes[from + i] as number
  }

  /** One byte of a name; NaN behind its end. */
  byteAt(name: number, index: number): number {
    if (index >= (this.#length[name] as number)) return Number.NaN
    return this.arena.bytes[(this.#at[name] as number) + index] as number
  }

  /** Names in a directory, in no order. */
  children(directory: number): number[] {
    const found: number[] = []
    let name = this.#firstChild[directory] as number
    while (name !== NONE) {
      if (this.file[name] !== NONE) found.push(name)
      name = this.#nextSibling[name] as number
    }
    return found
  }

  /** Byte by byte, as EROFS wants names sorted. */
  compare(a: number, b: number): number {
    const { bytes } = this.arena
    const [aAt, bAt] = [this.#at[a] as number, this.#at[b] as number]
    const [aLength, bLength] = [this.#length[a] as number, this.#length[b] as number]
    const common = Math.min(aLength, bLength)
    for (let i = 0; i < common; i++) {
      const difference = (bytes[aAt + i] as number) - (bytes[bAt + i] as number)
      if (difference !== 0) return difference
    }
    return aLength - bLength
  }

  #bucketOf(directory: number, bytes: Uint8Array, from: number, to: number): number {
    return hashOf(this.#seed ^ directory, bytes, from, to) & (this.#buckets.length - 1)
  }

  #append(directory: number, at: number, length: number, file: number): number {
    const name = this.count++
    if (name === this.parent.length) this.#grow(name * 2)
    this.parent[name] = directory
    this.file[name] = file
    this.#at[name] = at
    this.#length[name] = length
    this.#firstChild[name] = NONE
    this.#nextSibling[name] = NONE
    return name
  }

  #grow(length: number): void {
    this.parent = grown(this.parent, length)
    this.file = grown(this.file, length)
    this.mark = grown(this.mark, length)
    this.#at = grown(this.#at, length)
    this.#length = grown(this.#length, length)
    this.#depth = grown(this.#depth, length)
    this.#firstChild = grown(this.#firstChild, length)
    this.#nextSibling = grown(this.#nextSibling, length)
    this.#nextInBucket = grown(this.#nextInBucket, length)
  }

  #link(name: number): void {
    const at = this.#at[name] as number
    const to = at + (this.#length[name] as number)
    const directory = this.parent[name] as number
    const bucket = this.#bucketOf(directory, this.arena.bytes, at, to)
    this.#nextInBucket[name] = this.#buckets[bucket] as number
    this.#buckets[bucket] = name
  }

  #rehash(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 2).fill(NONE)
    for (let name = 1; name < this.count; name++) {
      if (this.file[name] !== NONE) this.#link(name)
    }
  }
}

/** FNV-1a, begun with a number. */
function hashOf(start: number, bytes: Uint8Array, from: number, to: number): number {
  let hash = Math.imul(0x811c9dc5 ^ start, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return hash ^ (hash >>> 15)
}

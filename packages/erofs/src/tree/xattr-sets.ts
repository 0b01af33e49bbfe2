import { tooMuch } from '../fault.ts'

/** One extended attribute. */
export interface Xattr {
  readonly name: string
  readonly value: Uint8Array
}

/** Bytes of all different attributes of a tree. */
const MAX_BYTES = 2 ** 28

/** Sets of extended attributes, each kept once: in a real layer there are a handful of them. */
export class XattrSets {
  readonly #sets: (readonly Xattr[])[] = [[]]
  readonly #known = new Map<string, number>()
  #bytes = 0

  /** The index of a set; 0 for the empty one. @throws LayerError `ERR_LIMIT_EXCEEDED` */
  add(xattrs: readonly Xattr[]): number {
    if (xattrs.length === 0) return 0
    const sorted = [...xattrs].sort((a, b) => (a.name < b.name ? -1 : 1))
    const key = sorted.map(keyOf).join('')
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#bytes += key.length
    if (this.#bytes > MAX_BYTES) throw tooMuch('bytes of different xattrs', MAX_BYTES)
    // The bytes outlive the tar's.
    this.#sets.push(sorted.map(({ name, value }) => ({ name, value: new Uint8Array(value) })))
    this.#known.set(key, this.#sets.length - 1)
    return this.#sets.length - 1
  }

  get(index: number): readonly Xattr[] {
    return this.#sets[index] ?? []
  }
}

/** Tells different attributes apart, and cannot be forged by what a value holds. */
export function keyOf({ name, value }: Xattr): string {
  let text = `${name.length}:${value.length}:${name}`
  for (let at = 0; at < value.length; at += 4096) {
    text += String.fromCharCode(...value.subarray(at, at + 4096))
  }
  return text
}

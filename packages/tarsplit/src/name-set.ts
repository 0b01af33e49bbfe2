import { cleanName } from '@varve/tar'

const START_SLOTS = 1 << 12
/** 32 MiB of table, for some three million names. */
const MOST_SLOTS = 1 << 22
/** How far a name is looked for. Keeps names made to collide from taking quadratic time. */
const MOST_PROBES = 256

/**
 * The names that a record has had, as Go's tar-split compares them: after `path.Clean`.
 *
 * Only 64 bits of each are kept. The set may thus take a new name for one that it has had, and does
 * so for every name once it is full; it never takes an old name for a new one.
 */
export class NameSet {
  #slots = START_SLOTS
  #table = new Uint32Array(2 * START_SLOTS)
  #size = 0
  #full = false

  /** Adds a name; returns whether it was surely new. */
  add(name: Uint8Array): boolean {
    const clean = cleanName(name)
    // Two multiplicative hashes side by side, mixed at the end (after “cyrb53”, public domain).
    let a = 0xdeadbeef
    let b = 0x41c6ce57
    for (let i = 0; i < clean.length; i++) {
      const byte = clean[i] as number
      a = Math.imul(a ^ byte, 0x9e3779b1)
      b = Math.imul(b ^ byte, 0x5f356495)
    }
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
    // An empty slot is 0, 0.
    return this.#insert(a >>> 0, b >>> 0 || 1)
  }

  #insert(a: number, b: number): boolean {
    if (this.#size * 2 >= this.#slots && this.#slots < MOST_SLOTS) this.#grow()
    if (this.#full || this.#size * 4 >= this.#slots * 3) return false
    const slot = this.#find(a, b)
    if (slot < 0 || this.#table[slot + 1] !== 0) return false
    this.#table[slot] = a
    this.#table[slot + 1] = b
    this.#size++
    return true
  }

  /** Index of the slot that holds the hash or could, or -1. */
  #find(a: number, b: number): number {
    const mask = this.#slots - 1
    for (let probe = 0; probe < MOST_PROBES; probe++) {
      const slot = ((a + probe) & mask) * 2
      const second = this.#table[slot + 1]
      if (second === 0 || (second === b && this.#table[slot] === a)) return slot
    }
    return -1
  }

  #grow(): void {
    const old = this.#table
    this.#slots *= 2
    this.#table = new Uint32Array(2 * this.#slots)
    this.#size = 0
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0 || this.#insert(old[i] as number, old[i + 1] as number)) continue
      // A name was lost, so no name is surely new any more.
      this.#full = true
    }
  }
}

/**
 * CRC-64/GO-ISO: the checksum that tar-split keeps of each payload (Go's `hash/crc64` with its ISO
 * table; ISO 3309's polynomial x⁶⁴+x⁴+x³+x+1, reflected, all ones before and after).
 *
 * The polynomial has so few terms that no table is needed: to go on by eight bytes is to multiply
 * by x⁶⁴, which is x⁴+x³+x+1, hence four shifts. In the reflected form to multiply by x is to shift
 * right, and what falls out on the right comes back in on the left, multiplied once more.
 */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** A running checksum. */
export interface Crc64 {
  update(bytes: Uint8Array): void
  /** The checksum of all that was given since the last `reset`: 8 bytes, big-endian. */
  digest(): Uint8Array
  /** Whether that is {@link digest}. */
  matches(checksum: Uint8Array): boolean
  reset(): void
}

/** A checksum of nothing yet. */
export function crc64(): Crc64 {
  return new RunningCrc()
}

class RunningCrc implements Crc64 {
  #low = -1
  #high = -1

  update(bytes: Uint8Array): void {
    const misaligned = (4 - (bytes.byteOffset & 3)) & 3
    if (!LITTLE_ENDIAN || bytes.length < misaligned + 64) {
      this.#byByte(bytes, 0, bytes.length)
      return
    }
    this.#byByte(bytes, 0, misaligned)
    const words = ((bytes.length - misaligned) >>> 3) * 2
    this.#byWord(new Int32Array(bytes.buffer, bytes.byteOffset + misaligned, words))
    this.#byByte(bytes, misaligned + words * 4, bytes.length)
  }

  #byWord(words: Int32Array): void {
    let low = this.#low
    let high = this.#high
    for (let at = 0; at < words.length; at += 2) {
      low ^= words[at] as number
      high ^= words[at + 1] as number
      const out = (low << 31) ^ (low << 29) ^ (low << 28)
      low ^=
        ((low >>> 1) | (high << 31)) ^ ((low >>> 3) | (high << 29)) ^ ((low >>> 4) | (high << 28))
      high ^= (high >>> 1) ^ (high >>> 3) ^ (high >>> 4)
      high ^= out ^ (out >>> 1) ^ (out >>> 3) ^ (out >>> 4)
    }
    this.#low = low
    this.#high = high
  }

  #byByte(bytes: Uint8Array, from: number, to: number): void {
    let low = this.#low
    let high = this.#high
    for (let at = from; at < to; at++) {
      const out = (low ^ (bytes[at] as number)) << 24
      low = (low >>> 8) | (high << 24)
      high = (high >>> 8) ^ out ^ (out >>> 1) ^ (out >>> 3) ^ (out >>> 4)
    }
    this.#low = low
    this.#high = high
  }

  digest(): Uint8Array {
    const bytes = new Uint8Array(8)
    const view = new DataView(bytes.buffer)
    view.setInt32(0, ~this.#high)
    view.setInt32(4, ~this.#low)
    return bytes
  }

  matches(checksum: Uint8Array): boolean {
    let same = checksum.length === 8
    for (let i = 0; i < 8; i++) {
      const half = i < 4 ? this.#high : this.#low
      same &&= checksum[i] === ((~half >>> (24 - 8 * (i & 3))) & 0xff)
    }
    return same
  }

  reset(): void {
    this.#low = -1
    this.#high = -1
  }
}

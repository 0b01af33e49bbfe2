/** Something whose bytes can be read in any order: a file, a `Blob`, an HTTP resource. */
export interface ByteRanges {
  /** In bytes. */
  readonly size: number
  /** `length` bytes from `position` on; fewer only at the end. The caller does not change them. */
  read(position: number, length: number): Uint8Array | Promise<Uint8Array>
}

/** Where an image is written: what was written can be read again, and what was not is zero. */
export interface ImageFile {
  write(position: number, bytes: Uint8Array): void | Promise<void>
  read(position: number, length: number): Uint8Array | Promise<Uint8Array>
}

/** An {@link ImageFile} in memory. */
export interface MemoryFile extends ImageFile, ByteRanges {
  /** All that was written so far. */
  readonly bytes: Uint8Array
}

/**
 * A file in memory, to write an image to or, given its bytes, to read one from.
 *
 * @example
 * ```ts
 * import { memoryFile } from '@varve/erofs'
 *
 * const file = memoryFile()
 * file.write(2, Uint8Array.of(7))
 * console.assert(file.bytes.join() === '0,0,7')
 * ```
 */
export function memoryFile(content: Uint8Array = new Uint8Array(0)): MemoryFile {
  let all = content
  let size = content.length
  return {
    get bytes() {
      return all.subarray(0, size)
    },
    get size() {
      return size
    },
    write(position, bytes) {
      const end = position + bytes.length
      if (end > all.length) {
        const larger = new Uint8Array(Math.max(end, all.length * 2, 64 * 1024))
        larger.set(all.subarray(0, size))
        all = larger
      }
      all.set(bytes, position)
      size = Math.max(size, end)
    },
    read: (position, length) => all.subarray(position, Math.min(position + length, size)),
  }
}

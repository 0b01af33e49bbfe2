import { BLOCK_SIZE } from './header.ts'

/** How many NULs fill up the last block of `size` bytes. */
export function paddingLength(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE
}

/**
 * The NULs that must follow a payload of `size` bytes: 0 to 511 of them.
 *
 * @example
 * ```ts
 * import { paddingFor } from '@varve/tar'
 *
 * console.assert(paddingFor(1000).length === 24)
 * ```
 */
export function paddingFor(size: number): Uint8Array {
  return new Uint8Array(paddingLength(size))
}

/**
 * The two zero blocks that end an archive.
 *
 * @example
 * ```ts
 * import { endOfArchive } from '@varve/tar'
 *
 * console.assert(endOfArchive().length === 1024)
 * ```
 */
export function endOfArchive(): Uint8Array {
  return new Uint8Array(2 * BLOCK_SIZE)
}

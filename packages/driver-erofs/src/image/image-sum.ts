import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheID } from '@varve/core'
import type { ByteRanges, TarPlace } from '@varve/erofs'
import { writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'

const READ_BYTES = 2 ** 20

/** SHA-256 of all of an image but the tar, whose own digest the store knows. */
export async function sumOf(image: ByteRanges, { position, size }: TarPlace): Promise<string> {
  const hash = createHash('sha256')
  for (const [from, to] of [
    [0, position],
    [position + size, image.size],
  ] as const) {
    for (let at = from; at < to; at += READ_BYTES) {
      hash.update(await image.read(at, Math.min(READ_BYTES, to - at)))
    }
  }
  return hash.digest('hex')
}

export async function writeSum(home: Home, id: CacheID, sum: string): Promise<void> {
  await writeSynced(sumFile(home, id), sum, 0o600)
}

/** Undefined if there is none. */
export async function readSum(home: Home, id: CacheID): Promise<string | undefined> {
  try {
    return (await readFile(sumFile(home, id), 'latin1')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Where the sum is written down. */
export function sumFile(home: Home, id: CacheID): string {
  return join(home.layer(id), 'layer.sum')
}

import type { ByteSource } from '@varve/core'
import { BackupReader, STREAM } from './backup-stream.ts'

/**
 * The data in a backup stream, or that of the alternate stream of the given name; of a sparse one the
 * blocks, one after another.
 */
export async function* dataOf(stream: ByteSource, alternate?: string): AsyncGenerator<Uint8Array> {
  const reader = new BackupReader(stream)
  try {
    for (let part = await reader.next(); part; part = await reader.next()) {
      const wanted =
        alternate === undefined
          ? part.id === STREAM.data
          : part.id === STREAM.alternate && part.name === alternate
      if (!wanted) continue
      yield* reader.data()
      while ((await reader.peek())?.id === STREAM.sparseBlock) {
        await reader.next()
        yield* reader.data()
      }
      return
    }
  } finally {
    await reader.close()
  }
}

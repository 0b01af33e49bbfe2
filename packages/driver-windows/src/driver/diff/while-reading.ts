import { cleanUp } from '@varve/core'
import type { LayerUse } from '../layers/layer-use.ts'

/**
 * What `read` gives, while the layer is as the service wants it for that: until behind the last of
 * it, as the layer may not be shown while it is read.
 */
export async function* whileReading<T>(
  use: LayerUse,
  read: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  await use.beginReading()
  let failure: unknown
  try {
    yield* read()
  } catch (error) {
    failure = error
    throw error
  } finally {
    await endReading(use, failure)
  }
}

async function endReading(use: LayerUse, failure: unknown): Promise<void> {
  if (failure === undefined) {
    await use.endReading()
    return
  }
  const error = await cleanUp(failure, () => use.endReading())
  if (error !== failure) throw error
}

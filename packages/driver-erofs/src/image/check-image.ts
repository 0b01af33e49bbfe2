import { type CacheID, LayerError } from '@varve/core'
import { openErofs } from '@varve/erofs'
import type { NativeCalls } from '@varve/sys'
import { isThere } from '@varve/trees'
import type { Home } from '../home.ts'
import { readSum, sumOf } from './image-sum.ts'
import { openImage } from './open-image.ts'
import { isAsMeasured, NOT_MEASURED } from './verity.ts'

/**
 * Looks whether an image is under fs-verity as it was, and compares all of it but its tar, which the
 * store compares with its DiffID, with the sum that was taken when it was written. Yields what is
 * wrong.
 */
export async function* checkImage(
  home: Home,
  id: CacheID,
  native: NativeCalls | undefined,
): AsyncGenerator<string> {
  if (native && (await isThere(home.image(id))) && !(await isAsMeasured(native, home, id))) {
    yield NOT_MEASURED
  }
  const wanted = await readSum(home, id)
  if (wanted === undefined) yield 'the sum of its metadata is missing'
  try {
    await using file = await openImage(home, id)
    const { tar } = await openErofs(file)
    if (tar && (await sumOf(file, tar)) === wanted) return
    if (wanted !== undefined) yield 'its metadata are not what was written'
  } catch (error) {
    if (!LayerError.is(error, 'ERR_CORRUPT_LAYER')) throw error
    yield error.message
  }
}

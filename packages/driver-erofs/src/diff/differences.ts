import type { TreeOptions } from '@varve/archive'
import type { CacheID, CallOptions, Mount } from '@varve/core'
import { NotNative, upperMarks } from '@varve/overlayfs'
import { type Home, parentOf } from '../home.ts'
import { chainOf, isReadWrite } from '../layers/chain.ts'
import { mountLayer } from '../layers/layer-mounts.ts'
import { type Mounting, mountingOf, type Parts } from '../parts.ts'

/** Two trees, and how to compare them. */
export interface Comparison {
  readonly upper: string
  readonly lower: string | undefined
  readonly options: TreeOptions
}

/**
 * Runs `compare` on a read-write layer's own files alone if they tell the whole difference from
 * `parent`, otherwise on the two whole trees.
 *
 * @param parent undefined to get all that the layer holds
 */
export async function* differences<T>(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
  compare: (comparison: Comparison) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const { home, sys } = parts
  const mounting = mountingOf(parts, `Cannot compare layer ${id}`)
  const how = { ...options, sys }
  await using lower = await viewIfAny(parts, parent, options)
  if (await isNative(home, mounting, id, parent)) {
    try {
      const marks = upperMarks(mounting.marks)
      return yield* compare({
        upper: home.diff(id),
        lower: lower?.path,
        options: { ...how, marks },
      })
    } catch (error) {
      // Thrown while comparing, so before anything was said.
      if (!(error instanceof NotNative)) throw error
    }
  }
  await using upper = await viewIfAny(parts, id, options)
  yield* compare({ upper: upper?.path ?? home.empty, lower: lower?.path, options: how })
}

/** Whether the layer's own files tell the difference. */
async function isNative(
  home: Home,
  { features }: Mounting,
  id: CacheID,
  parent: CacheID | undefined,
): Promise<boolean> {
  if (!(await isReadWrite(home, id))) return false
  if (parent !== undefined) return features.nativeDiff && (await parentOf(home, id)) === parent
  const { upper, image } = await chainOf(home, id)
  return upper.length === 1 && image === undefined
}

/** A layer's files, to be read. */
async function viewIfAny(
  parts: Parts,
  id: CacheID | undefined,
  { signal }: CallOptions,
): Promise<Mount | undefined> {
  if (id === undefined) return undefined
  return await mountLayer(parts, id, { readOnly: true, ...(signal ? { signal } : {}) })
}

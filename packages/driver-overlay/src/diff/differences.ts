import type { TreeOptions } from '@varve/archive'
import type { CacheID, CallOptions } from '@varve/core'
import { NotNative, upperMarks } from '@varve/overlayfs'
import { settle } from '../layers/fuse-written.ts'
import { viewLayer } from '../layers/layer-mounts.ts'
import { layoutOf } from '../layers/stacks.ts'
import type { Parts } from '../parts.ts'

/** Two trees, and how to compare them. */
export interface Comparison extends Disposable {
  readonly upper: string
  readonly lower: string | undefined
  readonly options: TreeOptions
}

/**
 * Runs `compare` on the layer's own files alone if they tell the whole difference from `parent`,
 * otherwise on the two whole trees.
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
  using native = await openNative(parts, id, parent, options)
  if (native) {
    try {
      return yield* compare(native)
    } catch (error) {
      // Thrown while comparing, so before anything was said.
      if (!(error instanceof NotNative)) throw error
    }
  }
  using naive = await openNaive(parts, id, parent, options)
  yield* compare(naive)
}

/** Undefined if the layer's own files do not tell. */
async function openNative(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
): Promise<Comparison | undefined> {
  const { diff, view, standsOn } = await layoutOf(parts.home, id)
  const whole = parent === undefined && view === undefined
  const direct = parent !== undefined && parts.features.nativeDiff && (await standsOn(parent))
  if (!whole && !direct) return undefined
  if (!(await settle(parts, id))) return undefined
  const lower = parent === undefined ? undefined : await viewLayer(parts, parent)
  return {
    upper: diff,
    lower: lower?.path,
    options: { ...options, sys: parts.sys, marks: upperMarks(parts.marks) },
    [Symbol.dispose]: () => lower?.[Symbol.dispose](),
  }
}

async function openNaive(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
): Promise<Comparison> {
  const upper = await viewLayer(parts, id)
  try {
    const lower = parent === undefined ? undefined : await viewLayer(parts, parent)
    return {
      upper: upper.path,
      lower: lower?.path,
      options: { ...options, sys: parts.sys },
      [Symbol.dispose]() {
        upper[Symbol.dispose]()
        lower?.[Symbol.dispose]()
      },
    }
  } catch (error) {
    upper[Symbol.dispose]()
    throw error
  }
}

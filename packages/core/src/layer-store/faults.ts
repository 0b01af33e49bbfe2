import { type ErrorCode, LayerError } from '../errors.ts'
import type { LayerRecord } from '../metadata.ts'
import type { Problem } from '../store.ts'
import type { CallOptions } from '../streams.ts'
import { parentCacheID, type StoreContext } from './context.ts'
import { layerTar } from './tar-stream.ts'

/** Something wrong with a layer itself. */
export type Fault = Pick<Problem, 'kind' | 'message'>

/** What only damage can be the reason of; all else may read well another time. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set([
  'ERR_CORRUPT_COMPRESSION',
  'ERR_CORRUPT_LAYER',
  'ERR_CORRUPT_METADATA',
  'ERR_CORRUPT_RECORD',
  'ERR_DIGEST_MISMATCH',
  'ERR_INVALID_TAR',
  'ERR_LAYER_NOT_FOUND',
  'ERR_TRUNCATED',
])

/**
 * Whether an error tells of damage. A layer that could not be read for want of a permission, of
 * file descriptors or of a working network must not be taken for a damaged one.
 */
export function isDamage(error: unknown): error is LayerError {
  return LayerError.is(error) && DAMAGE.has(error.code)
}

/**
 * How a layer is looked at: whether its files are there; also whether its tar can be given back; also
 * whether each of its files is what tar and parent make of it, where the driver can tell.
 */
export type Depth = 'there' | 'bytes' | 'files'

/** What is wrong with a layer's files. The caller holds the layer. */
export async function* faultsOf(
  ctx: StoreContext,
  layer: LayerRecord,
  depth: Depth,
  options: CallOptions = {},
): AsyncGenerator<Fault> {
  const { chainID, cacheID } = layer
  if (!(await ctx.driver.exists(cacheID))) {
    const message = `The files of layer ${chainID} (driver layer ${cacheID}) are missing`
    yield { kind: 'missing-data', message }
    return
  }
  if (depth === 'there') return
  try {
    for await (const _ of layerTar(ctx, layer, options));
  } catch (error) {
    if (!isDamage(error)) throw error
    const kind = error.code === 'ERR_DIGEST_MISMATCH' ? 'digest-mismatch' : 'altered-data'
    yield { kind, message: error.message }
    return
  }
  if (depth === 'bytes') return
  // A tar is made of contents; modes, links and attributes are lost as easily.
  const parent = await parentCacheID(ctx, layer.parent)
  const how = { ...options, ...(parent === undefined ? {} : { parent }) }
  const differences = ctx.driver.verify?.(cacheID, layerTar(ctx, layer), how) ?? []
  for await (const text of differences) {
    yield { kind: 'altered-data', message: `Layer ${chainID}: ${text}` }
  }
}

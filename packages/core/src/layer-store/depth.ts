import type { Driver } from '../driver.ts'
import { LayerError } from '../errors.ts'

/**
 * The longest chain that a layer may be registered in, if the driver has no smaller limit: Docker's,
 * which leaves two of the 127 layers that some drivers mount to a read-write layer and its init
 * layer.
 */
export const MAX_DEPTH = 125

/** A read-write layer and its init layer. */
const ABOVE_A_CHAIN = 2

/**
 * Asserts that a layer may be registered in a chain: every one that is must bear a read-write layer.
 *
 * @param depth of the chain, that layer included
 * @throws LayerError `ERR_MAX_DEPTH`
 */
export function assertChainDepth(driver: Driver, depth: number, attempt: string): void {
  const room = driver.capabilities.maxDepth - ABOVE_A_CHAIN
  assertDepth(depth, Math.min(MAX_DEPTH, room), attempt)
}

/**
 * Asserts that a driver takes so many layers on each other, read-write and init layers included.
 *
 * @throws LayerError `ERR_MAX_DEPTH`
 */
export function assertDriverDepth(driver: Driver, depth: number, attempt: string): void {
  assertDepth(depth, driver.capabilities.maxDepth, attempt)
}

function assertDepth(depth: number, limit: number, attempt: string): void {
  if (depth <= limit) return
  throw new LayerError(
    'ERR_MAX_DEPTH',
    `${attempt}: ${depth} layers would stand on each other, and ${limit} is the limit here`,
    { data: { depth, limit }, hint: 'Flatten some of the layers into one' },
  )
}

import type { Driver, DriverCapabilities } from '@varve/core'
import type { Kit, Surroundings } from './kit.ts'

/** One rule of the driver contract. */
export interface DriverCase {
  readonly name: string
  /** Whether it applies; always, if absent. */
  readonly when?: (
    capabilities: DriverCapabilities,
    around: Surroundings,
    driver: Driver,
  ) => boolean
  readonly run: (kit: Kit) => Promise<void>
}

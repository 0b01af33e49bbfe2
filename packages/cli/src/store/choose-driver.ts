import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { cleanUp, type Driver, LayerError } from '@varve/core'
import { canonicalName, driverKind } from './drivers.ts'
import type { Root } from './root.ts'

/** Drivers for a new store of root's when nobody chose one, the best first. */
const BEST_FIRST = ['erofs', 'overlay2']
/** The one that works everywhere, for everybody. */
const PLAIN = 'vfs'

/** How a driver is chosen. */
export interface DriverChoice {
  /** What the user wants. */
  readonly wanted: string | undefined
  readonly readOnly: boolean
  /** Told which better driver cannot be used here, and why. */
  readonly onPassedOver?: ((driver: string, why: LayerError) => void) | undefined
}

/**
 * Opens the driver that the user wants, or the one that keeps the layers that are there, or for a
 * new store the best that works here.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED`, `ERR_INVALID_ARGUMENT` if layers of several are there
 */
export async function openDriver(
  root: string,
  found: Root,
  choice: DriverChoice,
): Promise<{ readonly name: string; readonly driver: Driver }> {
  const { readOnly } = choice
  const name = chosenName(root, found, choice.wanted && canonicalName(choice.wanted))
  if (name !== undefined) return { name, driver: await make(root, name, readOnly) }
  // An ordinary user may mount only in a namespace of their own, which they would have said.
  for (const candidate of process.geteuid?.() === 0 ? BEST_FIRST : []) {
    try {
      return { name: candidate, driver: await makeAnew(root, candidate) }
    } catch (error) {
      if (!LayerError.is(error, 'ERR_NOT_SUPPORTED')) throw error
      choice.onPassedOver?.(candidate, error)
    }
  }
  return { name: PLAIN, driver: await make(root, PLAIN, readOnly) }
}

async function make(root: string, name: string, readOnly: boolean): Promise<Driver> {
  const kind = driverKind(name)
  return await kind.make(join(root, kind.home), { readOnly })
}

/** One that cannot work here leaves nothing. */
async function makeAnew(root: string, name: string): Promise<Driver> {
  const home = join(root, driverKind(name).home)
  const wasThere = existsSync(home)
  try {
    return await make(root, name, false)
  } catch (error) {
    if (wasThere) throw error
    throw await cleanUp(error, () => rm(home, { recursive: true, force: true }))
  }
}

/** Undefined if nobody has chosen yet. */
function chosenName(root: string, found: Root, wanted: string | undefined): string | undefined {
  const [only, ...others] = found.drivers
  if (found.kind === 'docker' && wanted !== undefined && !found.drivers.includes(wanted)) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot use driver ${wanted} on ${root}`, {
      data: { root, drivers: found.drivers },
      hint: `Layers there are kept by: ${found.drivers.join(', ')}`,
    })
  }
  if (wanted !== undefined) driverKind(wanted)
  if (wanted !== undefined || others.length === 0) return wanted ?? only
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot choose a driver for ${root}: layers of several are there`,
    { data: { root, drivers: found.drivers }, hint: `Give --driver ${found.drivers.join(' or ')}` },
  )
}

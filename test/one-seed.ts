/**
 * Runs before every test file: its random values come from one seed, so that a run tells of the
 * change and not of luck. CONTRIBUTING.md says how to search with others.
 */
import fc from 'fast-check'
import { runs } from './runs.ts'

const seed = Number(process.env.VARVE_SEED ?? 1)
if (!Number.isInteger(seed)) {
  throw new Error(`VARVE_SEED is a whole number or "random", not ${process.env.VARVE_SEED}`)
}
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed, numRuns: runs(100) })

import { join } from 'node:path'
import { asCacheID, type Driver } from '@varve/core'
import { isV1ID } from '@varve/image'
import { isScratch, isThere, listNames, readIfThere, removeTree } from '../disk/files.ts'
import { IMAGE_FILE, type Layout } from '../disk/layout.ts'
import type { GraphProblem } from '../types.ts'
import type { Locks } from './locks.ts'

/**
 * Clears away what dead processes left of images that they made or removed: the driver's layer of
 * an image that is not listed, then the directory that told of it. An image that somebody works on
 * is passed over.
 *
 * @returns what could not be cleared away
 */
export async function recover(
  layout: Layout,
  driver: Driver,
  locks: Locks,
): Promise<readonly GraphProblem[]> {
  const problems: GraphProblem[] = []
  for (const name of listNames(layout.tmp)) {
    const path = join(layout.tmp, name)
    if (isScratch(name)) removeTree(path)
    if (!isV1ID(name)) continue
    try {
      if (await isSwept(layout, driver, locks, idsOf(path, name))) removeTree(path)
    } catch (error) {
      problems.push(leftover(name, `image ${name}`, error))
    }
  }
  try {
    await driver.cleanup()
  } catch (error) {
    problems.push(leftover(driver.name, `layers of the ${driver.name} driver`, error))
  }
  return problems
}

function leftover(id: string, what: string, error: unknown): GraphProblem {
  const why = error instanceof Error ? error.message : String(error)
  return { kind: 'leftover', id, message: `what is left of ${what} cannot be cleared away: ${why}` }
}

/** Docker gave these directories random names; then only the document tells the image. */
function idsOf(path: string, name: string): ReadonlySet<string> {
  const json = readIfThere(join(path, IMAGE_FILE.json))
  const id = json && /"id":\s*"([0-9a-f]{64})"/.exec(new TextDecoder().decode(json))?.[1]
  return new Set([name, ...(id ? [id] : [])])
}

/** @returns false if somebody works on one of the images */
async function isSwept(
  layout: Layout,
  driver: Driver,
  locks: Locks,
  ids: ReadonlySet<string>,
): Promise<boolean> {
  for (const id of ids) {
    await using lock = locks.tryImage(id)
    if (!lock) return false
    if (!isThere(layout.image(id))) await driver.remove(asCacheID(id))
  }
  return true
}

import { randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheID, hexOf, newCacheID } from '@varve/core'
import { metadataFs } from '../../src/index.ts'
import { createMount, LAYERS, type LayerName, OLD_FRESH, register, ToyDriver } from './cast.ts'

/** A store with these layers, and the read-write layer if asked for. */
export async function build(
  dir: string,
  names: readonly LayerName[],
  mounted = false,
): Promise<void> {
  const driver = new ToyDriver(dir)
  await using metadata = await metadataFs({ root: join(dir, 'layerdb') })
  for (const name of names) await register(metadata, driver, name)
  if (mounted) await createMount(metadata, driver)
}

/** Damages the layer `fresh` as a power loss does; its driver layer was another one. */
export function damageFresh(dir: string): void {
  const layer = join(dir, 'layerdb/sha256', hexOf(LAYERS.fresh.chainID))
  truncateSync(join(layer, 'diff'))
  writeFileSync(join(layer, 'cache-id'), OLD_FRESH)
  const driver = new ToyDriver(dir)
  driver.remove(LAYERS.fresh.cacheID)
  driver.create(OLD_FRESH)
}

/**
 * One of everything that dead processes, ours and Docker's, leave behind. Recovery must come to the
 * layers `base`, `middle` and `top`, whatever happens to it.
 */
export async function ruin(dir: string): Promise<void> {
  await build(dir, ['base', 'middle', 'top'])
  const root = join(dir, 'layerdb')
  const driver = new ToyDriver(dir)
  const dead = randomBytes(16).toString('hex')
  const rubble = (path: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(join(root, path))
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(root, path, name), content)
  }
  const id = (): CacheID => {
    const made = newCacheID()
    driver.create(made)
    return made
  }
  writeFileSync(join(root, 'varve/owners', dead), '')
  writeFileSync(join(root, 'varve/owners', `${dead}.holds`), `+${hexOf(LAYERS.top.chainID)}\n`)
  writeFileSync(join(root, 'varve/owners', `${randomBytes(16).toString('hex')}.holds`), '')

  rubble(`tmp/write-set-${dead}-1-${id()}`, {})
  const init = newCacheID()
  driver.create(`${init}-init` as CacheID)
  rubble(`tmp/write-set-${dead}-2-${id()}-${init}i`, { 'mount-id': '', 'tar-split.json.gz': 'x' })
  rubble('tmp/write-set-123456789', { 'cache-id': id(), diff: LAYERS.fresh.diffID })
  rubble('tmp/layer-42', { size: '1' })
  rubble(`tmp/mount-${dead}-3-gone-removing`, { 'mount-id': id() })
  rubble(`sha256/${'a'.repeat(64)}-${randomBytes(32).toString('hex')}-removing`, {
    'cache-id': id(),
  })
  writeFileSync(join(root, 'varve/unsynced', `${'b'.repeat(64)}.boot`), '')

  // A removal of two layers that was not decided, and one that had not begun.
  const names = [LAYERS.top, LAYERS.middle].map((record) => {
    const hex = hexOf(record.chainID)
    return [hex, `${hex}-${dead}${randomBytes(16).toString('hex')}-removing`] as const
  })
  for (const [hex, removed] of names) {
    renameSync(join(root, 'sha256', hex), join(root, 'sha256', removed))
  }
  const journal = `${names.map(([, removed]) => removed).join('\n')}\n`
  writeFileSync(join(root, 'varve/journals', `${dead}-4`), journal)
  writeFileSync(
    join(root, 'varve/journals', `${dead}-5`),
    `${journal}${hexOf(LAYERS.base.chainID)}-`,
  )
}

/**
 * One operation in a process of its own, to be killed or disturbed.
 *
 * Arguments: directory, name of the operation. Prints a line for each thing acknowledged. Exit code
 * 1 for a LayerError, 2 for anything else.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { LayerError, type MetadataStore } from '@varve/core'
import { metadataFs } from '../../src/index.ts'
import { createMount, idsOf, type LayerName, MOUNT, recover, register, ToyDriver } from './cast.ts'

const [dir = '', name = ''] = process.argv.slice(2)
const driver = new ToyDriver(dir)

/** Synchronously, past the event loop: it must be out before anything that follows. */
function acknowledge(what: string): void {
  writeSync(1, `${what}\n`)
}

async function retire(metadata: MetadataStore, ...names: readonly LayerName[]) {
  return await metadata.lock('exclusive', () => metadata.retire(idsOf(...names)))
}

async function retireMount(metadata: MetadataStore) {
  return await metadata.lock('exclusive', () => metadata.retireMount(MOUNT.name))
}

async function finish(removal: Awaited<ReturnType<typeof retire>>): Promise<void> {
  for (const id of removal.cacheIDs) driver.remove(id)
  await removal.finish()
}

const operations: Readonly<Record<string, (metadata: MetadataStore) => Promise<void>>> = {
  open: async () => {},
  register: (metadata) => register(metadata, driver, 'fresh'),
  'register deferred': async (metadata) => {
    await register(metadata, driver, 'fresh', 'deferred')
    acknowledge('registered')
    await metadata.markSynced(await metadata.unsynced())
  },
  'create mount': (metadata) => createMount(metadata, driver),
  'retire one': async (metadata) => finish(await retire(metadata, 'top')),
  'retire several': async (metadata) => finish(await retire(metadata, 'top', 'middle', 'base')),
  'undo several': async (metadata) => {
    const removal = await retire(metadata, 'top', 'middle', 'base')
    await metadata.lock('exclusive', () => removal.undo())
  },
  'retire mount': async (metadata) => finish(await retireMount(metadata)),
  'undo mount': async (metadata) => {
    const removal = await retireMount(metadata)
    await metadata.lock('exclusive', () => removal.undo())
  },
  'set aside': async (metadata) => {
    const [subject = ''] = idsOf('fresh')
    await metadata.lock('exclusive', () => metadata.setAside({ kind: 'layer', subject }))
  },
  hold: async (metadata) => {
    const [key] = idsOf('top')
    if (!key) return
    await metadata.lock('shared', () => metadata.hold(key))
    await metadata.unhold(key)
    await metadata.lock('shared', () => metadata.hold(key))
  },
  recover: async (metadata) => {
    await recover(metadata, driver)
  },
}

try {
  const operation = operations[name]
  if (!operation) throw new TypeError(`no operation ${name}`)
  const metadata = await metadataFs({ root: join(dir, 'layerdb') })
  try {
    await operation(metadata)
    acknowledge('done')
  } finally {
    await metadata[Symbol.asyncDispose]()
  }
} catch (error) {
  writeSync(2, `${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = LayerError.is(error) ? 1 : 2
}

/**
 * One of many processes on one layerdb. Arguments: directory, number of operations, seed. Prints
 * `+chain cacheID` and `-chain cacheID` for each acknowledged publication and removal.
 *
 * Every driver layer is a file in `driver/`, as a driver would make it.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { metadataFs } from '../src/index.ts'
import { newDiffID, newLayer } from './stack.ts'

const [dir = '', count = '0', seed = '1'] = process.argv.slice(2)
let state = Number(seed) >>> 0 || 1

function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

function say(line: string): void {
  writeFileSync(1, `${line}\n`)
}

const metadata = await metadataFs({ root: join(dir, 'layerdb') })
const driverLayer = (id: string) => join(dir, 'driver', id)
say('ready')

/** All processes register the same few layers, and remove them under each other's hands. */
for (let i = 0; i < Number(count); i++) {
  const diffID = newDiffID(`shared ${random(6)}`)
  const layer = newLayer(undefined, { diffID, cacheID: newCacheID() })
  {
    await using tx = await metadata.begin([layer.cacheID])
    writeFileSync(driverLayer(layer.cacheID), '')
    await tx.stageLayer(layer, random(3) === 0 ? 'deferred' : 'full')
    const published = await metadata.lock('exclusive', async () => {
      const done = await tx.publish()
      await metadata.hold(layer.chainID)
      return done
    })
    if (published) say(`+${layer.chainID} ${layer.cacheID}`)
    else rmSync(driverLayer(layer.cacheID))
  }
  const held = await metadata.layer(layer.chainID)
  if (!held) throw new Error(`layer ${layer.chainID} went although it was held`)
  const removal = await metadata.lock('exclusive', async () => {
    await metadata.unhold(layer.chainID)
    if (random(2) === 0 || (await metadata.heldElsewhere(layer.chainID))) return undefined
    return await metadata.retire([layer.chainID])
  })
  if (removal) {
    for (const id of removal.cacheIDs) rmSync(driverLayer(id), { force: true })
    await removal.finish()
    say(`-${layer.chainID} ${held.cacheID}`)
  }
}
await metadata[Symbol.asyncDispose]()
say('done')

/** Begins a change, holds a layer, and keeps the lock until it is killed. Arguments: root, ChainID. */
import { writeSync } from 'node:fs'
import process from 'node:process'
import { asChainID, newCacheID } from '@varve/core'
import { metadataFs } from '../src/index.ts'

const [root = '', chainID = ''] = process.argv.slice(2)
const metadata = await metadataFs({ root })
await metadata.begin([newCacheID()])
await metadata.lock('exclusive', async () => {
  await metadata.hold(asChainID(chainID))
  writeSync(1, 'held\n')
  await new Promise((resolve) => setTimeout(resolve, 3_600_000))
})

/** Loads an archive into a store and says so; killed at any moment by the test that started it. */
import process from 'node:process'
import { openRealBedAt } from './real-bed.ts'

const [root, archive, keepBlobs] = process.argv.slice(2)
if (!root || !archive) throw new Error('usage: load-worker ROOT ARCHIVE [keep]')
await using bed = await openRealBedAt(root)
process.stdout.write('ready\n')
const [image] = await bed.images.load(archive, { keepBlobs: keepBlobs === 'keep' })
process.stdout.write(`loaded ${image?.id}\n`)

/**
 * Prints what the same tar costs as a layer of this driver and of the overlay driver:
 * `node --conditions=@varve/source packages/driver-erofs/test/children/measure.ts DIRECTORY TAR`.
 * The directory should be on a journaled file system.
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { type CacheID, type Driver, emptyTar, newCacheID } from '@varve/core'
import { erofs } from '@varve/driver-erofs'
import { overlay } from '@varve/driver-overlay'
import { place } from '../place.ts'

const [parent, tar = ''] = process.argv.slice(2)
const ROUNDS = 3
const DEPTH = 20

const times = new Map<string, { readonly wall: number[]; readonly cpu: number[] }>()
async function measure<T>(what: string, run: () => Promise<T> | T): Promise<T> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()]
  const result = await run()
  const { user, system } = process.cpuUsage(cpu)
  const known = times.get(what) ?? { wall: [], cpu: [] }
  known.wall.push(performance.now() - wall)
  known.cpu.push((user + system) / 1000)
  times.set(what, known)
  return result
}

const readAll = (path: string) =>
  execFileSync('sh', ['-c', 'tar -C "$1" -cf - . | cat >/dev/null', 'sh', path])

async function layer(
  driver: Driver,
  below: CacheID | undefined,
  source: AsyncIterable<Uint8Array>,
) {
  const id = newCacheID()
  await driver.create(id, below === undefined ? {} : { parent: below })
  await using _applied = await driver.applyDiff(id, below, source)
  await driver.sync([id])
  return id
}

for (let round = 0; round < ROUNDS; round++) {
  for (const make of [erofs, overlay]) {
    await using dir = place(parent)
    await using driver = await make({ root: join(dir.path, 'home') })
    const say = (what: string) => `${driver.name} ${what}`
    const source = () => createReadStream(tar, { highWaterMark: 2 ** 20 })
    const base = await measure(say('register'), () => layer(driver, undefined, source()))
    if (driver.capabilities.reproducesExactDiffs) {
      await measure(say('export, with SHA-256'), async () => {
        const hash = createHash('sha256')
        for await (const chunk of driver.diff(base)) hash.update(chunk)
        return hash.digest()
      })
    }
    const chain = [base]
    await measure(say(`register ${DEPTH} empty layers on it`), async () => {
      for (let i = 0; i < DEPTH; i++) {
        const empty = Readable.from([emptyTar()])
        chain.push(await layer(driver, chain.at(-1), empty))
      }
    })
    const id = newCacheID()
    await driver.createReadWrite(id, { parent: chain.at(-1) ?? base })
    const mount = await measure(say('mount'), () => driver.mount(id))
    await measure(say('first read of all files'), () => readAll(mount.path))
    await measure(say('second read of all files'), () => readAll(mount.path))
    await measure(say('unmount'), async () => mount[Symbol.asyncDispose]())
    await driver.remove(id)
    for (const above of chain.splice(1).reverse()) await driver.remove(above)
    await measure(say('remove'), () => driver.remove(base))
  }
}
const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1] ?? 0
for (const [what, { wall, cpu }] of times) {
  const [walls, cpus] = [median(wall).toFixed(1), median(cpu).toFixed(1)]
  console.log(`${what.padEnd(44)} ${walls.padStart(9)} ms ${cpus.padStart(9)} ms CPU`)
}
console.log(`peak ${(process.resourceUsage().maxRSS / 1000).toFixed(0)} MB`)

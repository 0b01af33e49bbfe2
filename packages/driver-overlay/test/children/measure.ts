/**
 * Prints how long the life of a read-write layer takes, and the diff of 100 changes on 30,000 files:
 * `node --conditions=@varve/source packages/driver-overlay/test/children/measure.ts DIRECTORY`.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { place } from '../place.ts'

const ROUNDS = 200
const FILES = 30_000

await using dir = place(process.argv[2])
await using driver = await overlay({ root: dir.path })

async function stack(depth: number): Promise<CacheID> {
  let top = newCacheID()
  await driver.create(top)
  for (let i = 1; i < depth; i++) {
    const id = newCacheID()
    await driver.create(id, { parent: top })
    top = id
  }
  return top
}

function print(what: string, times: number[]): void {
  times.sort((a, b) => a - b)
  const at = (part: number) => (times[Math.floor(times.length * part)] ?? 0).toFixed(2)
  console.log(`${what}: median ${at(0.5)} ms, 90 % within ${at(0.9)} ms`)
}

for (const depth of [10, 125]) {
  const parent = await stack(depth)
  const steps: Record<string, number[]> = { create: [], mount: [], unmount: [], remove: [] }
  for (let i = 0; i < ROUNDS; i++) {
    const id = newCacheID()
    const marks = [performance.now()]
    await driver.createReadWrite(id, { parent })
    marks.push(performance.now())
    const mount = await driver.mount(id)
    marks.push(performance.now())
    await mount[Symbol.asyncDispose]()
    marks.push(performance.now())
    await driver.remove(id)
    marks.push(performance.now())
    for (const [n, times] of Object.values(steps).entries()) {
      times.push((marks[n + 1] ?? 0) - (marks[n] ?? 0))
    }
  }
  for (const [step, times] of Object.entries(steps)) print(`${depth} layers, ${step}`, times)
}

const base = newCacheID()
await driver.create(base)
const files = Array.from({ length: FILES }, (_, i) => ({ name: `d${i % 300}/f${i}`, data: 'x' }))
await using _applied = await driver.applyDiff(base, undefined, [tarOf(files)])
const top = newCacheID()
await driver.createReadWrite(top, { parent: base })
{
  await using mount = await driver.mount(top)
  for (let i = 0; i < 100; i++) fs.writeFileSync(join(mount.path, `d${i}/f${i}`), 'changed')
}
await using naive = await overlay({ root: dir.path, nativeDiff: false })
for (const [what, one, rounds] of [
  ['native', driver, 50],
  ['naive', naive, 5],
] as const) {
  const times: number[] = []
  for (let i = 0; i < rounds; i++) {
    const start = performance.now()
    for await (const _ of one.diff(top, base) as AsyncIterable<Uint8Array>);
    times.push(performance.now() - start)
  }
  print(`diff of 100 changes on ${FILES} files, ${what}`, times)
}

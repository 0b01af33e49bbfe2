/**
 * Measures varve beside the tools that do the same work, and writes the tables of bench/README.md.
 *
 *     npm run bench -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory: see bench/README.md.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDocker } from '../interop/docker.ts'
import { run } from '../interop/run.ts'
import * as contestants from './contestants.ts'
import { type BenchLayer, bigLayer, COMPRESSIONS, type Compression, realLayers } from './layers.ts'
import { type Cost, measure, median } from './measure.ts'
import { facts, memoryTable, realTable } from './report.ts'
import { hexDigest, wrap } from './wrap.ts'

const MEDIA_SUFFIX = { tar: 'tar', gz: 'tar+gzip', zst: 'tar+zstd' }

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '/dev/shm/varve-bench' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    print: { type: 'boolean', default: false },
  },
})
const checkout = join(import.meta.dirname, '..')
const rounds = Number(values.rounds)
const scratch = join(values.dir, 'scratch')
const costs = new Map<string, Cost[]>()

await mkdir(values.dir, { recursive: true })
await rm(scratch, { recursive: true, force: true })
await mkdir(scratch)
const layers = await realLayers(values.dir, checkout)
const small = await bigLayer(values.dir, 100, process.execPath)
const big = await bigLayer(values.dir, 2000, process.execPath)

const docker = await startDocker(join(scratch, 'docker'))
const all = [
  contestants.varve(scratch, checkout),
  contestants.varve(scratch, checkout, 'erofs'),
  contestants.tar(scratch),
  contestants.docker(docker),
  contestants.skopeo(scratch),
  contestants.umoci(scratch),
].filter((one) => values.only === undefined || one.name.includes(values.only))

for (const layer of layers) {
  for (const compression of COMPRESSIONS) await compare(layer, compression, rounds)
}
for (const layer of [small, big]) {
  await compare(layer, 'tar', 1)
  await compare(layer, 'gz', 1)
}

await docker[Symbol.asyncDispose]()

const names = all.map((one) => one.name)
const text = [
  await facts(values.dir, rounds),
  ...layers.map((layer) => realTable(layer, names, costs)),
  memoryTable(small, big, names, costs),
].join('\n\n')
if (values.print) console.log(text)
else await replaceTables(text)
await rm(scratch, { recursive: true })

/** Every contestant takes the layer in and gives it back, in turn, round by round. */
async function compare(layer: BenchLayer, compression: Compression, times: number): Promise<void> {
  const file = layer.files[compression]
  const diffID = `sha256:${await hexDigest(layer.files.tar)}`
  const wrapped = await wrap(file, diffID, MEDIA_SUFFIX[compression], join(values.dir, 'image'))
  const input = { layer, compression, file, diffID, wrapped }
  for (let round = 0; round < times; round++) {
    for (const contestant of rotated(all, round)) {
      if (!contestant.takes(compression)) continue
      const key = `${layer.name} ${compression} ${contestant.name}`
      const register = await contestant.register(input)
      await run('sync', ['-f', scratch])
      note(`${key} register`, await measure(register))
      const out = join(scratch, 'out.tar')
      // The way back does not depend on the compression that the layer came in.
      const back = compression === 'tar' ? await contestant.export(input, out) : undefined
      if (back) {
        await run('sync', ['-f', scratch])
        note(`${key} export`, await measure(back))
        if (contestant.name.startsWith('varve') && `sha256:${await hexDigest(out)}` !== diffID) {
          throw new Error(`varve did not give ${layer.name} back as it came`)
        }
        await rm(out)
      }
      await contestant.clean(input)
    }
  }
  await rm(join(values.dir, 'image'), { recursive: true })
}

/** So that none always follows the same other. */
function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length] as T)
}

function note(key: string, cost: Cost): void {
  costs.set(key, [...(costs.get(key) ?? []), cost])
  const { wallSeconds, cpuSeconds, peakMB } = median([cost])
  console.error(
    `${key}: ${wallSeconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s, ${peakMB.toFixed(0)} MB`,
  )
}

async function replaceTables(text: string): Promise<void> {
  const readme = join(import.meta.dirname, 'README.md')
  const [begin, end] = ['<!-- tables -->', '<!-- end of tables -->']
  const old = existsSync(readme) ? await readFile(readme, 'utf8') : `${begin}${end}`
  const [head] = old.split(begin)
  const [, tail] = old.split(end)
  await writeFile(readme, `${head}${begin}\n\n${text}\n\n${end}${tail}`)
}

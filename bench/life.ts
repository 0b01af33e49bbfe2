/**
 * Measures the life of writable layers, beside the tools that do the same, and writes the tables of
 * bench/README.md. As root:
 *
 *     npm run bench:life -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory, and no overlay: see bench/README.md.
 */
import { appendFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../interop/run.ts'
import { fileSystemOf } from './contestants.ts'
import { containerd } from './life/containerd.ts'
import { containersStorage } from './life/containers-storage.ts'
import type { Contestant, Question } from './life/contestant.ts'
import { dockerApi, dockerCommand } from './life/docker.ts'
import { type BenchImage, FILES, fileName, stackedImage, wideImage } from './life/images.ts'
import { diffTable, lifeTable } from './life/report.ts'
import { varveCommand, varveLibrary } from './life/varve.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '/dev/shm/varve-bench' },
    rounds: { type: 'string', default: '30' },
    only: { type: 'string' },
    print: { type: 'boolean', default: false },
  },
})
const DEPTHS = [10, 125]
const CHANGES = [1, 100, 10_000]
const rounds = Number(values.rounds)
const scratch = join(values.dir, 'life')
const samples = new Map<string, number[] | string>()

await rm(scratch, { recursive: true, force: true })
await mkdir(scratch, { recursive: true })
const stacks: BenchImage[] = []
for (const depth of DEPTHS) stacks.push(await stackedImage(values.dir, depth))
const wide = await wideImage(values.dir)

const makers: Readonly<Record<string, () => Promise<Contestant> | Contestant>> = {
  'varve library': () => varveLibrary(scratch),
  'varve command': () => varveCommand(scratch, join(import.meta.dirname, '..')),
  'docker api': () => dockerApi(scratch),
  'docker command': () => dockerCommand(scratch),
  buildah: () => containersStorage('buildah', scratch),
  podman: () => containersStorage('podman', scratch),
  ctr: () => containerd(scratch),
}
const all: Contestant[] = []
for (const [name, make] of Object.entries(makers)) {
  if (values.only !== undefined && !name.includes(values.only)) continue
  const program = name.split(' ')[0] as string
  if (program !== 'varve' && !(await isInstalled(program))) console.error(`no ${program} here`)
  else all.push(await make())
}

try {
  for (const image of [...stacks, wide]) for (const one of all) await one.load(image)
  for (const image of stacks) await live(image)
  for (const count of CHANGES) await ask(count)
} finally {
  for (const one of all) await one[Symbol.asyncDispose]()
}

const text = [
  await facts(),
  ...stacks.map((image) => lifeTable(titleOf(image), all, samples)),
  diffTable(`Changes over ${FILES.toLocaleString('en')} files`, CHANGES, all, samples),
].join('\n\n')
if (values.print) console.log(text)
else await replaceTables(text)
await rm(scratch, { recursive: true })

function titleOf({ layers }: BenchImage): string {
  return `On an image of ${layers} layers`
}

/** Each makes, mounts, unmounts and removes a layer, in turn, round by round. */
async function live(image: BenchImage): Promise<void> {
  const title = titleOf(image)
  for (let round = -1; round < rounds; round++) {
    for (const one of rotated(all, Math.max(round, 0))) {
      const id = `life-${image.layers}-${round + 1}`
      const key = `${title} ${one.name}`
      const steps: [string, (() => Promise<unknown>) | undefined][] = [
        ['create', () => one.create(image, id)],
        ['mount', one.mount && (() => one.mount?.(id) as Promise<unknown>)],
        ['unmount', one.unmount && (() => one.unmount?.(id) as Promise<unknown>)],
        ['remove', () => one.remove(id)],
      ]
      let sum = 0
      for (const [step, call] of steps) {
        if (!call || (typeof samples.get(`${key} mount`) === 'string' && step === 'unmount'))
          continue
        try {
          const ms = await timed(call)
          sum += ms
          // The first round warms up what is warm in use.
          if (round >= 0) note(`${key} ${step}`, ms)
        } catch (error) {
          if (step !== 'mount') throw error
          console.error(`${key} ${step}: ${(error as Error).message.slice(-300)}`)
          samples.set(`${key} ${step}`, 'fails')
        }
      }
      const failed = typeof samples.get(`${key} mount`) === 'string'
      if (round >= 0 && one.mount && !failed) note(`${key} all`, sum)
    }
  }
}

/** Each is asked for so many changed files of {@link FILES}. */
async function ask(count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => fileName(i * Math.floor(FILES / count)))
  for (const one of all) {
    const id = `changed-${count}`
    await one.create(wide, id)
    await change(one, id, names)
    for (const [question, call] of Object.entries(one.questions) as [
      Question,
      (id: string) => Promise<void>,
    ][]) {
      for (let round = -1; round < Math.min(rounds, 10); round++) {
        const ms = await timed(() => call(id))
        if (round >= 0) note(`${one.name} ${question} ${count}`, ms)
        if (question === 'commit') await one.uncommit?.(id)
      }
    }
    await one.remove(id)
  }
}

/** Appends to files, through a mount, or by what stands for one. */
async function change(one: Contestant, id: string, names: readonly string[]): Promise<void> {
  if (one.mount) {
    const { path } = await one.mount(id)
    for (const name of names) appendFileSync(join(path, name), 'changed')
    await one.unmount?.(id)
    return
  }
  const tree = join(scratch, 'tree')
  for (const name of names) {
    await mkdir(dirname(join(tree, name)), { recursive: true })
    await writeFile(join(tree, name), `${'x'.repeat(1024)}changed`)
  }
  await one.put?.(id, tree)
  await rm(tree, { recursive: true })
}

async function timed(call: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await call()
  return performance.now() - started
}

function note(key: string, ms: number): void {
  const known = samples.get(key)
  samples.set(key, typeof known === 'object' ? [...known, ms] : [ms])
}

/** So that none always follows the same other. */
function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length] as T)
}

async function isInstalled(program: string): Promise<boolean> {
  return await run('which', [program]).then(
    () => true,
    () => false,
  )
}

async function facts(): Promise<string> {
  const version = async (command: string, ...args: string[]) =>
    (await isInstalled(command)) ? (await run(command, args)).split('\n')[0] : `no ${command}`
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${cpus().length} cores`,
    `(${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 1e9)} GB, Linux ${release()},`,
    `${await fileSystemOf(values.dir)}, warm cache; Node ${process.version},`,
    `${await version('dockerd', '--version')}, ${await version('buildah', '--version')},`,
    `${await version('podman', '--version')}, ${await version('containerd', '--version')}.`,
    `Medians of ${rounds} rounds, interleaved, and in parentheses what nine of ten were below.`,
  ].join('\n')
}

async function replaceTables(tables: string): Promise<void> {
  const readme = join(import.meta.dirname, 'README.md')
  const [begin, end] = ['<!-- life -->', '<!-- end of life -->']
  const old = await readFile(readme, 'utf8')
  const [head, rest] = old.split(begin)
  const tail = rest?.split(end)[1]
  if (tail === undefined) throw new Error(`Cannot write the tables: ${readme} has no ${begin}`)
  await writeFile(readme, `${head}${begin}\n\n${tables}\n\n${end}${tail}`)
}

/**
 * Measures the life of writable layers, beside the tools that do the same, and writes the tables of
 * bench/README.md. As root:
 *
 *     npm run bench:life -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory, and no overlay: see bench/README.md.
 */
import { appendFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Entrant, field, rotated } from './harness/entrants.ts'
import { facts, tell } from './harness/machine.ts'
import { type BenchOptions, requireSpace, runBench } from './harness/options.ts'
import { Samples, timed } from './harness/samples.ts'
import { roundsText } from './harness/tables.ts'
import { type BenchImage, FILES, fileName, stackedImage, wideImage } from './inputs/images.ts'
import { containerd } from './life/containerd.ts'
import { containersStorage } from './life/containers-storage.ts'
import type { Contestant, Question } from './life/contestant.ts'
import { dockerApi, dockerCommand } from './life/docker.ts'
import { diffTable, lifeTable } from './life/report.ts'
import { varveCommand, varveLibrary } from './life/varve.ts'

const DEPTHS = [10, 125]
const CHANGES = [1, 100, 10_000]
const SCRATCH_GIGABYTES = 3

await runBench({
  section: 'life',
  rounds: 30,
  async prepare({ dir }) {
    for (const depth of DEPTHS) await stackedImage(dir, depth)
    await wideImage(dir)
  },
  async run(options) {
    const { dir, scratch, rounds, only } = options
    await requireSpace(options, SCRATCH_GIGABYTES)
    const stacks: BenchImage[] = []
    for (const depth of DEPTHS) stacks.push(await stackedImage(dir, depth))
    const wide = await wideImage(dir)
    const samples = new Samples()
    await using contestants = await field(entrants(scratch), only)
    const { all } = contestants
    for (const image of [...stacks, wide]) {
      for (const one of all) {
        tell(`${one.name} loads ${image.name}`)
        await one.load(image)
      }
    }
    for (const image of stacks) await live(all, image, rounds, samples)
    for (const count of CHANGES) await ask(all, wide, count, { rounds, scratch }, samples)
    return [
      await facts(
        dir,
        ['dockerd', 'buildah', 'podman', 'containerd'],
        `Warm cache. Medians of ${roundsText(rounds)}, interleaved, and in parentheses what nine of ten were below.`,
      ),
      ...stacks.map((image) => lifeTable(titleOf(image), all, samples)),
      diffTable(`Changes over ${FILES.toLocaleString('en')} files`, CHANGES, all, samples),
    ].join('\n\n')
  },
})

function entrants(scratch: string): Entrant<Contestant>[] {
  const at = (name: string) => join(scratch, name)
  const ours = ['erofs', 'overlay2'].flatMap((driver) => [
    { name: `varve, ${driver} (library)`, make: () => varveLibrary(at(`${driver}-l`), driver) },
    { name: `varve, ${driver} (command)`, make: () => varveCommand(at(`${driver}-c`), driver) },
  ])
  const daemon = ['dockerd', 'docker']
  return [
    ...ours,
    { name: 'docker (API)', programs: daemon, make: () => dockerApi(scratch) },
    { name: 'docker (command)', programs: daemon, make: () => dockerCommand(scratch) },
    ...(['buildah', 'podman'] as const).map((tool) => ({
      name: tool,
      programs: [tool, 'skopeo'],
      make: () => containersStorage(tool, at(tool)),
    })),
    { name: 'containerd (ctr)', programs: ['containerd', 'ctr'], make: () => containerd(scratch) },
  ]
}

function titleOf({ layers }: BenchImage): string {
  return `On an image of ${layers} layers`
}

/** Each makes, mounts, unmounts and removes a layer, in turn, round by round. */
async function live(
  all: readonly Contestant[],
  image: BenchImage,
  rounds: number,
  samples: Samples,
): Promise<void> {
  const title = titleOf(image)
  tell(title)
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
        if (!call || (samples.failed(`${key} mount`) && step === 'unmount')) continue
        try {
          const { ms } = await timed(call)
          sum += ms
          // The first round warms up what is warm in use.
          if (round >= 0) samples.note(`${key} ${step}`, ms)
        } catch (error) {
          if (step !== 'mount') throw error
          console.error(`${key} ${step}: ${(error as Error).message.slice(-300)}`)
          samples.fails(`${key} ${step}`)
        }
      }
      const failed = samples.failed(`${key} mount`)
      if (round >= 0 && one.mount && !failed) samples.note(`${key} all`, sum)
    }
  }
}

/** Each is asked for so many changed files of {@link FILES}. */
async function ask(
  all: readonly Contestant[],
  wide: BenchImage,
  count: number,
  { rounds, scratch }: Pick<BenchOptions, 'rounds' | 'scratch'>,
  samples: Samples,
): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => fileName(i * Math.floor(FILES / count)))
  for (const one of all) {
    tell(`${count} changes of ${one.name}`)
    const id = `changed-${count}`
    await one.create(wide, id)
    await change(one, id, names, join(scratch, 'tree'))
    for (const [question, call] of Object.entries(one.questions) as [
      Question,
      (id: string) => Promise<void>,
    ][]) {
      for (let round = -1; round < Math.min(rounds, 5); round++) {
        const { ms } = await timed(() => call(id))
        if (round >= 0) samples.note(`${one.name} ${question} ${count}`, ms)
        if (question === 'commit') await one.uncommit?.(id)
      }
    }
    await one.remove(id)
  }
}

/** Appends to files, through a mount, or by what stands for one. */
async function change(
  one: Contestant,
  id: string,
  names: readonly string[],
  tree: string,
): Promise<void> {
  if (one.mount) {
    const { path } = await one.mount(id)
    for (const name of names) appendFileSync(join(path, name), 'changed')
    await one.unmount?.(id)
    return
  }
  for (const name of names) {
    await mkdir(dirname(join(tree, name)), { recursive: true })
    await writeFile(join(tree, name), `${'x'.repeat(1024)}changed`)
  }
  await one.put?.(id, tree)
  await rm(tree, { recursive: true })
}

/** How every bench is called, where it works, and how it ends. */
import { mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../../interop/run.ts'
import { fileSystemOf } from './machine.ts'
import { replaceTables } from './tables.ts'

/** What one was asked for. */
export interface BenchOptions {
  /** Where inputs are made, once, and kept. */
  readonly dir: string
  /** For stores and results, this bench's own; empty at the start, gone at the end. */
  readonly scratch: string
  readonly rounds: number
  /** Parts of the names of those who take part; of all, if there are none. */
  readonly only: readonly string[]
}

/** One bench: its tables stand in bench/README.md between two comments. */
export interface Bench {
  /** `<!-- section -->`, and `<!-- end of section -->`. */
  readonly section: string
  /** Rounds, unless told otherwise. */
  readonly rounds: number
  /** Makes what is measured, or finds it from an earlier run; all that happens with `--rounds 0`. */
  prepare(options: BenchOptions): Promise<void>
  /** Measures, and gives the text with the tables. */
  run(options: BenchOptions): Promise<string>
}

/** Runs a bench as its command line says; a failure is one line, and exit status 1. */
export async function runBench(bench: Bench): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: '/dev/shm/varve-bench' },
      rounds: { type: 'string', default: String(bench.rounds) },
      only: { type: 'string', multiple: true, default: [] },
      print: { type: 'boolean', default: false },
    },
  })
  const { dir, only, print } = values
  const options = {
    dir,
    only,
    rounds: Number(values.rounds),
    scratch: join(dir, `scratch-${bench.section}`),
  }
  try {
    if (!Number.isSafeInteger(options.rounds) || options.rounds < 0) {
      throw new Error(`Cannot measure ${values.rounds} rounds: give a whole number`)
    }
    await requirePlace(options)
    await bench.prepare(options)
    if (options.rounds > 0) {
      const text = await bench.run(options)
      if (print) console.log(text)
      else await replaceTables(bench.section, text)
    }
    await rm(options.scratch, { recursive: true })
  } catch (error) {
    console.error(await reason(error as Error, options))
    process.exitCode = 1
  }
}

async function requirePlace({ dir, scratch }: BenchOptions): Promise<void> {
  if (process.geteuid?.() !== 0) throw new Error('Cannot measure: owners and mounts need root')
  await mkdir(dir, { recursive: true })
  const type = await fileSystemOf(dir)
  if (type === 'overlay') {
    throw new Error(`Cannot measure in ${dir}: it is on an overlay, and nobody mounts one on that`)
  }
  await unmountBelow(scratch)
  await rm(scratch, { recursive: true, force: true })
  await mkdir(join(scratch, 'tmp'), { recursive: true })
  // Some put whole layers there, and would do it on another file system than is measured.
  process.env.TMPDIR = join(scratch, 'tmp')
}

/** What a killed run left; deleting would go through it. */
async function unmountBelow(scratch: string): Promise<void> {
  const targets = (await run('findmnt', ['-rno', 'TARGET'])).split('\n')
  for (const target of targets.filter((path) => path.startsWith(`${scratch}/`)).reverse()) {
    await run('umount', ['-l', target])
  }
}

/** Fails before an hour is lost. @param gigabytes that the measured work takes, its inputs aside */
export async function requireSpace({ dir }: BenchOptions, gigabytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dir)
  const free = (bavail * bsize) / 1e9
  if (free >= gigabytes) return
  throw new Error(
    `Cannot measure in ${dir}: ${free.toFixed(1)} GB are free, and ${gigabytes} are needed (--dir)`,
  )
}

async function reason(error: Error, { dir }: BenchOptions): Promise<string> {
  const text = error.message.slice(-2000)
  if (!/ENOSPC|no space left|disk is full/i.test(text)) return text
  const { bavail, bsize } = await statfs(dir)
  const free = ((bavail * bsize) / 1e9).toFixed(1)
  return `${text}\nThe disk is full: ${dir} has ${free} GB left; choose a larger one with --dir`
}

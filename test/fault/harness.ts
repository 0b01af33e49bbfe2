/**
 * Runs an operation in a process of its own, again and again, and at each of its calls that change
 * something on disk lets it be killed, or lets the call fail; then asks an oracle what is left.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, constants, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What happens at a call. */
export type FaultAct = 'kill' | 'killafter' | 'short' | 'ENOSPC' | 'EIO' | 'EDQUOT' | 'EROFS'

/** What happens, and whether it also happens to every later call. */
export interface Fault {
  readonly act: FaultAct
  readonly forever: boolean
}

/** One call that the operation makes when nothing goes wrong. */
export interface Call {
  /** From 1. */
  readonly n: number
  /** `open`, `write`, `rename`, `fsync`, … */
  readonly name: string
  readonly path: string
}

/** How one run ended. */
export interface Outcome {
  readonly fault: Fault
  readonly call: Call
  /** Lines that the operation printed; print one, synchronously, for each thing acknowledged. */
  readonly acknowledged: readonly string[]
  /** Undefined if it was killed. */
  readonly exitCode: number | undefined
  readonly stderr: string
}

/** What to run and how to judge it. */
export interface FaultPlan {
  readonly name: string
  /** A TypeScript file; gets the directory as its first argument, then `args`. */
  readonly script: string
  readonly args?: readonly string[]
  /** Makes the state before, in an empty directory. */
  readonly prepare: (dir: string) => Promise<void> | void
  /** Part of the directory whose calls count; by default all of it. */
  readonly watched?: string
  /** Throws if what is left in the directory is not one of the states that may be left. */
  readonly oracle: (dir: string, outcome: Outcome) => Promise<void>
  /** By default kill before and after, and every errno and short writes, once and forever. */
  readonly faults?: readonly Fault[]
  /** How many points are tried unless `VARVE_TORTURE=1` asks for all; default 20. */
  readonly points?: number
}

/** How many points were tried, and what the oracle said of those that it did not like. */
export interface FaultReport {
  /** Calls that the operation makes. */
  readonly calls: number
  /** Pairs of a call and a fault that there are. */
  readonly points: number
  /** How many of them were tried. */
  readonly tried: number
  readonly failures: readonly string[]
}

/** Kill before and after; ENOSPC, EIO, EDQUOT, EROFS and short writes, each once and forever. */
export const EVERY_FAULT: readonly Fault[] = [
  { act: 'kill', forever: false },
  { act: 'killafter', forever: false },
  ...(['ENOSPC', 'EIO', 'EDQUOT', 'EROFS', 'short'] as const).flatMap((act) => [
    { act, forever: false },
    { act, forever: true },
  ]),
]

/** Points for each plan unless `VARVE_TORTURE=1` asks for all of them. */
const SAMPLE = 20
/** No operation here takes longer, even on a busy machine. */
const DEADLINE_MS = 60_000

const here = dirname(fileURLToPath(import.meta.url))

/** The built injector; disposing of it removes it. */
export interface Injector extends Disposable {
  readonly path: string
  /** Where Node keeps compiled modules: without it, starting takes five times as long. */
  readonly cache: string
}

/**
 * Builds the injector.
 *
 * @returns undefined without a C compiler or off Linux, except in CI, where that throws
 */
export function buildInjector(): Injector | undefined {
  const dir = scratchDirectory('fault-lib-')
  const dispose = () => rmSync(dir, { recursive: true })
  const path = join(dir, 'libfault.so')
  const source = join(here, 'libfault.c')
  try {
    if (process.platform !== 'linux') throw new Error(`no fault injector for ${process.platform}`)
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', source, '-o', path, '-ldl'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    return { path, cache: join(dir, 'cache'), [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    if (process.env.CI) throw error
    return undefined
  }
}

/** Tries a plan at every point, or an even sample of the points. */
export async function tryFaults(injector: Injector, plan: FaultPlan): Promise<FaultReport> {
  const template = scratchDirectory('fault-before-')
  const failures: string[] = []
  try {
    await plan.prepare(template)
    const calls = await listCalls(injector, plan, template)
    const all = (plan.faults ?? EVERY_FAULT).flatMap((fault) =>
      calls
        .filter((call) => fault.act !== 'short' || call.name === 'write')
        .map((call) => ({ fault, call })),
    )
    const points = process.env.VARVE_TORTURE ? all : sample(all, plan.points ?? SAMPLE)
    const queue = points.values()
    await Promise.all(
      Array.from({ length: Math.max(2, availableParallelism()) }, async () => {
        for (const { fault, call } of queue) {
          const failure = await tryOne(injector, plan, template, fault, call)
          if (failure !== undefined) failures.push(failure)
        }
      }),
    )
    return { calls: calls.length, points: all.length, tried: points.length, failures }
  } finally {
    rmSync(template, { recursive: true })
  }
}

/** The calls of an undisturbed run, which the oracle must like too. */
async function listCalls(injector: Injector, plan: FaultPlan, template: string): Promise<Call[]> {
  const dir = copyOf(template)
  const log = join(scratchDirectory('fault-log-'), 'log')
  try {
    const { exitCode, stderr, acknowledged } = await run(injector, plan, dir, {
      FAULT_N: '0',
      FAULT_LOG: log,
    })
    if (exitCode !== 0) throw new Error(`${plan.name} fails even without a fault: ${stderr}`)
    const calls = readFileSync(log, 'utf8').trim().split('\n').map(parseCall)
    const fault: Fault = { act: 'short', forever: false }
    const call: Call = { n: 0, name: 'nothing', path: '' }
    await plan.oracle(dir, { fault, call, acknowledged, exitCode, stderr })
    return calls
  } finally {
    rmSync(dirname(dir), { recursive: true })
    rmSync(dirname(log), { recursive: true })
  }
}

async function tryOne(
  injector: Injector,
  plan: FaultPlan,
  template: string,
  fault: Fault,
  call: Call,
): Promise<string | undefined> {
  const dir = copyOf(template)
  const { act, forever } = fault
  const point = `${plan.name}: ${act}${forever ? ' from' : ' at'} call ${call.n}, ${call.name} ${call.path}`
  let stderr = ''
  try {
    const ended = await run(injector, plan, dir, {
      FAULT_N: String(call.n),
      FAULT_ACT: /^E/.test(act) ? String(errno(act)) : act,
      ...(forever ? { FAULT_FOREVER: '1' } : {}),
    })
    stderr = ended.stderr
    if (act === 'short' && ended.exitCode !== 0) throw new Error('a short write is no failure')
    await plan.oracle(dir, { fault, call, ...ended })
    return undefined
  } catch (error) {
    return `${point}\n${error instanceof Error ? error.stack : error}\n${stderr}`
  } finally {
    rmSync(dirname(dir), { recursive: true })
  }
}

async function run(
  injector: Injector,
  plan: FaultPlan,
  dir: string,
  env: Readonly<Record<string, string>>,
): Promise<Pick<Outcome, 'acknowledged' | 'exitCode' | 'stderr'>> {
  const watched = plan.watched === undefined ? dir : join(dir, plan.watched)
  const args = ['--conditions=@varve/source', '--no-warnings', plan.script, dir]
  const child = spawn(nodeBinary(), [...args, ...(plan.args ?? [])], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: injector.cache,
      LD_PRELOAD: injector.path,
      FAULT_PATH: watched,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: DEADLINE_MS,
    killSignal: 'SIGTERM',
  })
  const [out, err] = [collectText(child.stdout), collectText(child.stderr)]
  const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.once('error', reject)
      child.once('close', (...ended) => resolve(ended))
    },
  )
  if (signal === 'SIGTERM') throw new Error(`it did not end within ${DEADLINE_MS} ms`)
  return {
    acknowledged: out().split('\n').filter(Boolean),
    exitCode: exitCode ?? undefined,
    stderr: err(),
  }
}

/** The Node of the repository: the injector sees nothing of what Bun does. */
function nodeBinary(): string {
  const manifest = createRequire(import.meta.url).resolve('node/package.json')
  return join(dirname(manifest), 'bin', 'node')
}

function collectText(stream: NodeJS.ReadableStream): () => string {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

function parseCall(line: string): Call {
  const [n = '', name = '', ...path] = line.split(' ')
  return { n: Number(n), name, path: path.join(' ') }
}

function errno(name: string): number {
  const number = (constants.errno as Readonly<Record<string, number>>)[name]
  if (number === undefined) throw new Error(`no errno ${name}`)
  return number
}

function sample<T>(all: readonly T[], count: number): readonly T[] {
  if (all.length <= count) return all
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)] as T)
}

/** In memory where that is possible: a disk's own fsync would take most of the time. */
function scratchDirectory(prefix: string): string {
  const shm = '/dev/shm'
  return mkdtempSync(join(existsSync(shm) ? shm : tmpdir(), prefix))
}

/** Owners, links, attributes and all: what `cp -a` keeps. */
function copyOf(template: string): string {
  const dir = join(scratchDirectory('fault-'), 'state')
  mkdirSync(dir)
  execFileSync('cp', ['-a', `${template}/.`, dir])
  return dir
}

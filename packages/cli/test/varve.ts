/**
 * Runs the real command, from source, as its own process.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterAll, expect, onTestFinished } from 'vitest'

const repository: string = resolve(import.meta.dirname, '../../..')
export const bin: string = join(repository, 'packages/cli/src/bin.ts')
/** The Node that the command runs on, whatever runs the tests. */
export const node: string = join(repository, 'node_modules/.bin/node')
export const example: string = join(repository, 'examples/world-clock.oci.tar')
export const exampleDocker: string = join(repository, 'examples/world-clock.docker.tar.gz')
export const isRoot: boolean = process.getuid?.() === 0

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** What was written to stdout, in bytes. */
  readonly bytes: Uint8Array
}

export interface RunOptions {
  readonly root?: string
  readonly stdin?: Uint8Array | string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A command in front, as `setpriv …`. */
  readonly prefix?: readonly string[]
  /** Is given the process while it runs. */
  readonly during?: (child: ChildProcess) => Promise<void>
}

/** A folder that is gone after the test. */
export async function scratch(under: string = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(under, 'varve-cli-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A folder for all tests of a suite; to be called in its `beforeAll`. */
export async function suiteScratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'varve-cli-'))
  folders.push(folder)
  return folder
}

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

export async function varve(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const [program = '', ...rest] = [
    ...(options.prefix ?? []),
    node,
    '--conditions=@varve/source',
    bin,
    ...args,
  ]
  const child = spawn(program, rest, {
    cwd: options.cwd ?? tmpdir(),
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      // Most of a short command's time would go into stripping types, every time again.
      NODE_COMPILE_CACHE: join(repository, 'node_modules/.cache/node-compile'),
      ...(options.root === undefined ? {} : { VARVE_ROOT: options.root }),
      ...options.env,
    },
  })
  const out: Uint8Array[] = []
  const err: Uint8Array[] = []
  child.stdout.on('data', (chunk) => out.push(chunk))
  child.stderr.on('data', (chunk) => err.push(chunk))
  // A command that refuses its input closes it before we have written it all.
  child.stdin.on('error', () => {})
  if (options.stdin !== undefined || !options.during) child.stdin.end(options.stdin ?? '')
  const ended = new Promise<number | null>((done, fail) => {
    child.on('error', fail)
    child.on('close', done)
  })
  await options.during?.(child)
  const code = await ended
  const bytes = Buffer.concat(out)
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() }
}

/**
 * Runs the command within this process: all of it but the signals and the exit. For tests of many
 * cases, since a process of its own takes half a second.
 */
export async function varveHere(
  args: readonly string[],
  options: Pick<RunOptions, 'stdin'> & { readonly root: string },
): Promise<Result> {
  const { main } = await import('../src/main.ts')
  const collect = () => {
    const chunks: Uint8Array[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        chunks.push(Buffer.from(chunk))
        done()
      },
    })
    return { stream, bytes: () => Buffer.concat(chunks) }
  }
  const stdout = collect()
  const stderr = collect()
  const code = await main(['--root', options.root, ...args], {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdout: stdout.stream,
    stderr: stderr.stream as Writable as NodeJS.WriteStream,
    env: {},
    signal: new AbortController().signal,
  })
  const bytes = stdout.bytes()
  return { code, bytes, stdout: bytes.toString(), stderr: stderr.bytes().toString() }
}

/** Fails the test unless `varve check --full` finds nothing. */
export async function expectClean(root: string): Promise<void> {
  const { code, stdout, stderr } = await varveHere(['check', '--full', '--json'], { root })
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
}

/** Runs it and gives its output; anything but success fails the test. */
export async function ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await varve(args, options)
  if (result.code === 0) return result.stdout
  throw new Error(`varve ${args.join(' ')}: exit ${result.code}\n${result.stderr}`)
}

/** Output in JSON, one object a line. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
export function jsonLines(text: string): any[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** What is in a store, to compare: its layers and images, without anything that may differ. */
export async function contents(root: string): Promise<unknown> {
  if (!existsSync(join(root, 'varve/version'))) return 'no store'
  const layers = jsonLines((await varveHere(['layer', 'ls', '--json'], { root })).stdout)
  const images = jsonLines((await varveHere(['images', '--json'], { root })).stdout)
  return { layers: layers.map((l) => l.chainID), images }
}

/** Waits until something is so. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((next) => setTimeout(next, 20))
}

/** How many files and directories there are in a folder and below, whoever works there meanwhile. */
export async function fileCount(folder: string): Promise<number> {
  try {
    return (await readdir(folder, { recursive: true })).length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return existsSync(folder) ? fileCount(folder) : 0
  }
}

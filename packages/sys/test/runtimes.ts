import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const bin = (name: string) => here(`../../../node_modules/.bin/${name}`)

const SOURCE = '--conditions=@varve/source'

/** How each runtime runs a TypeScript file from source. */
export const RUNTIMES = {
  node: [bin('node'), SOURCE],
  deno: [bin('deno'), 'run', '-A', '--no-check', SOURCE],
  bun: [bin('bun'), SOURCE],
} as const

export type Runtime = keyof typeof RUNTIMES

/** Starts `children/NAME.ts` in a runtime. */
export function start(runtime: Runtime, name: string, ...args: string[]): ChildProcess {
  const [command, ...options] = RUNTIMES[runtime]
  return spawn(command, [...options, here(`children/${name}.ts`), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Its exit code, or the signal that ended it. */
export function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? signal))
  })
}

/** The first text that it writes. */
export function firstWords(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error('the child ended without a word')))
    child.stdout?.once('data', (data) => resolve(String(data)))
  })
}

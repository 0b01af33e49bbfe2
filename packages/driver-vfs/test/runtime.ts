import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The command that runs `children/NAME.ts` from source, on Node whatever runs this. */
export function command(name: string, ...args: string[]): [string, ...string[]] {
  return [
    here('../../../node_modules/.bin/node'),
    '--conditions=@varve/source',
    here(`children/${name}.ts`),
    ...args,
  ]
}

export function start(name: string, ...args: string[]): ChildProcess {
  const [file, ...rest] = command(name, ...args)
  return spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Runs it as a user who is not root, and gives what it printed. */
export async function runAsNobody(name: string, ...args: string[]): Promise<string> {
  const [file, ...rest] = command(name, ...args)
  const { stdout } = await promisify(execFile)(file, rest, { uid: 65534, gid: 65534 })
  return stdout
}

/** The next text that a child writes. */
export function words(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => reject(new Error('the child ended without a word')))
    child.stdout?.once('data', (data) => resolve(String(data)))
  })
}

/** Whether a child is no more: it was quick, or killed. */
export const isOver = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null

/** Ends a child as a crash would, unless it has ended. */
export function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (isOver(child)) resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

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
  return spawn(file, rest, { stdio: ['pipe', 'pipe', 'ignore'] })
}

/** Runs it to its end, with kill -9 at its Nth call of one system call if that is asked for. */
export function run(args: readonly string[], kill?: { syscall: string; at: number }): number {
  const [file, ...rest] = command('work', ...args)
  const how = kill
    ? ['strace', '-f', '-qq', '-o', '/dev/null', `--trace=${kill.syscall}`].concat(
        `--inject=${kill.syscall}:signal=KILL:when=${kill.at}`,
        file,
      )
    : [file]
  const [program = '', ...before] = how
  try {
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
    execFileSync(program, [...before, ...rest], { stdio: 'ignore', env })
    return 0
  } catch (error) {
    return (error as { status?: number | null }).status ?? -1
  }
}

/** The line after `begin` that a child writes. */
export async function answer(child: ChildProcess): Promise<string> {
  let said = ''
  child.stdout?.on('data', (data) => {
    said += String(data)
  })
  // Not `exit`: what it wrote last may still be on its way.
  let isClosed = false
  const closed = once(child, 'close').then(() => {
    isClosed = true
  })
  while (!/^begin\n.+\n/.test(said)) {
    if (isClosed) throw new Error(`the child ended and said: ${said}`)
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), closed])
  }
  return said.split('\n')[1] ?? ''
}

/** Ends a child as a crash would. */
export async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

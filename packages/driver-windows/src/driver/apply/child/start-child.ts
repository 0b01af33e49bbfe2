import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** A program and its arguments. */
export type Command = readonly [program: string, ...args: string[]]

/** This runtime with the script that imports a layer, which is beside this one as it is beside ours. */
export function ownCommand(): Command {
  const isSource = import.meta.url.endsWith('.ts')
  const script = new URL(
    isSource ? '../../../import-child.ts' : './import-child.js',
    import.meta.url,
  )
  const { deno } = process.versions as { deno?: string }
  return [
    process.execPath,
    // Who may start programs may do anything.
    ...(deno === undefined ? [] : ['run', '--allow-all', '--quiet', '--no-check']),
    ...(isSource ? ['--conditions=@varve/source'] : []),
    script.protocol === 'file:' ? fileURLToPath(script) : script.href,
  ]
}

/** A process that was started. */
export interface Child {
  readonly stdin: NodeJS.WritableStream
  /** What it said, once it has ended. */
  readonly ended: Promise<{ readonly said: string; readonly why: string }>
  kill(): void
}

/** Bytes that it may say; an answer names every payload that a layer does not keep. */
const LONGEST_ANSWER = 2 ** 28
const LONGEST_COMPLAINT = 2 ** 12

/**
 * Starts a process.
 *
 * @param temporary its directory for temporary files, whoever clears that away
 */
export function startChild([program, ...args]: Command, temporary: string): Child {
  const env = { ...process.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary }
  const child = spawn(program, args, { env, stdio: 'pipe', windowsHide: true })
  const said = gathered(child.stdout, LONGEST_ANSWER)
  const complaint = gathered(child.stderr, LONGEST_COMPLAINT)
  // It may have ended, or have enough of the tar, before all was written.
  child.stdin.on('error', () => undefined)
  return {
    stdin: child.stdin,
    ended: outcomeOf(child).then((outcome) => {
      const text = complaint().trim()
      return { said: said(), why: text === '' ? outcome : `${outcome}: ${text}` }
    }),
    kill: () => void child.kill('SIGKILL'),
  }
}

/** How a process has ended, once it has and all that it said was read. */
function outcomeOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(signal ?? `exit ${code}`))
  })
}

/** What a stream says, as far as `limit`. */
function gathered(stream: NodeJS.ReadableStream, limit: number): () => string {
  const parts: Buffer[] = []
  let length = 0
  stream.on('data', (part: Buffer) => {
    if (length < limit) parts.push(part)
    length += part.length
  })
  return () => Buffer.concat(parts).toString()
}

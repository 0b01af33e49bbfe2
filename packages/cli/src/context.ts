import type { Readable, Writable } from 'node:stream'
import type { ByteSource, CallOptions } from '@varve/core'
import { lowerFirst, usageError } from './failure.ts'
import type { OpenedStore } from './store/open.ts'
import { inspectRoot } from './store/root.ts'
import { type Output, outputTo } from './terminal/output.ts'
import { onlyPhase, type Progress, plainProgress, SILENT } from './terminal/progress.ts'
import { printable } from './terminal/words.ts'

/** What a process gives a command. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WriteStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** From now on signals are the verb's own business. */
  releaseSignals?(): void
}

/** The options that every verb has. */
export interface GlobalOptions {
  readonly root: string
  readonly driver?: string
  readonly docker?: boolean
  readonly json?: boolean
  readonly debug?: boolean
  readonly progress?: boolean
}

/** What a verb works with. */
export interface Context {
  readonly options: GlobalOptions
  readonly out: Output
  readonly signal: AbortSignal
  /** From now on signals are the verb's own business, and `signal` is not aborted any more. */
  releaseSignals(): void
  /** Tells people something on stderr; not with `--json`. */
  note(text: string): void
  /** Standard input, which ends with an error when the command is interrupted. */
  stdin(): ByteSource
  /**
   * Runs a long call with progress on stderr.
   *
   * @param phase which of the call's events are shown
   * @param noun what it works on, for people
   */
  long<T>(
    phase: string,
    noun: string,
    body: (options: Required<CallOptions>) => Promise<T>,
  ): Promise<T>
  /** Opens the store; `create` makes an empty one where there is none. Closed by itself. */
  open(how?: { readonly create?: boolean }): Promise<OpenedStore>
  /** Closes what was opened. */
  close(): Promise<void>
}

/** The context of one run of a verb. */
export function createContext(io: Io, options: GlobalOptions, quiet: boolean): Context {
  const silent = quiet || options.json === true
  const note = (text: string): void => {
    if (!silent) io.stderr.write(`${printable(text)}\n`)
  }
  let opened: OpenedStore | undefined
  return {
    options,
    out: outputTo(io.stdout),
    signal: io.signal,
    releaseSignals: () => io.releaseSignals?.(),
    note,
    stdin() {
      if (io.stdin.isTTY) {
        throw usageError('refusing to read from a terminal', 'give a file, or pipe something in')
      }
      return interruptible(io.stdin, io.signal)
    },
    async long(phase, noun, body) {
      const shown = await chooseProgress(io, note, silent || options.progress === false)
      const progress = onlyPhase(phase, noun, shown)
      let outcome: 'done' | 'failed' = 'failed'
      try {
        const result = await body({ signal: io.signal, onProgress: progress.onProgress })
        outcome = 'done'
        return result
      } finally {
        await progress.end(outcome)
      }
    },
    async open({ create = false } = {}) {
      // Loaded late, so that --help and --version need not wait for the drivers.
      const { open } = await import('./store/open.ts')
      const { root, driver, docker } = options
      const isNew = create && (await inspectRoot(root)).kind === 'new'
      opened = await open({
        root,
        create,
        ...(driver === undefined ? {} : { driver }),
        ...(docker === undefined ? {} : { docker }),
        onRecovered: (what) => note(`varve: ${what}`),
        onPassedOver: (name, { message }) =>
          note(`varve: not with ${name}: ${lowerFirst(message)}`),
      })
      if (isNew) note(newStoreText(opened))
      return opened
    },
    async close() {
      await opened?.close()
      opened = undefined
    },
  }
}

function newStoreText({ root, driver }: OpenedStore): string {
  const isRoot = process.getuid?.() === 0
  const why = isRoot ? '' : ' (you are not root: files keep your user as their owner)'
  return `varve: made a new store in ${root} with the ${driver} driver${why}`
}

/** What is done sooner needs no line in a log. */
const LOG_PATIENCE_MS = 1000

async function chooseProgress(
  io: Io,
  note: (line: string) => void,
  silent: boolean,
): Promise<Progress> {
  if (silent) return SILENT
  // A terminal without a width, as some runners give, has no room for lines that change.
  const isLive = io.stderr.isTTY && io.stderr.columns > 0 && io.env.TERM !== 'dumb'
  if (!isLive) return plainProgress(note, LOG_PATIENCE_MS)
  return (await import('./terminal/live-progress.ts')).liveProgress(io.stderr)
}

/** A stream's chunks; an abort ends the wait for the next one. */
async function* interruptible(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = (): void => {
    stream.destroy(new DOMException('The operation was aborted', 'AbortError'))
  }
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    yield* stream
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

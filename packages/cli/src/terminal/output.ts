import type { Writable } from 'node:stream'

/** Where data goes: standard output, or what stands for it. */
export interface Output {
  readonly isTerminal: boolean
  /** Resolves when the text was taken; a reader that went away is {@link BrokenPipe}. */
  write(data: string | Uint8Array): Promise<void>
  line(text: string): Promise<void>
  /** One JSON document on one line. */
  json(value: unknown): Promise<void>
}

/** Name of the error that says that nobody reads the output any more, as with `varve … | head`. */
const BROKEN_PIPE = 'BrokenPipe'

/** Whether an error only says that the reader of the output has gone. */
export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && error.name === BROKEN_PIPE
}

/** A stream as an {@link Output}. */
export function outputTo(stream: Writable & { readonly isTTY?: boolean }): Output {
  // Without a listener an error between two writes would end the process.
  stream.on('error', () => {})
  const write = (data: string | Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      stream.write(data, (error) => (error ? reject(toBrokenPipe(error)) : resolve()))
    })
  return {
    isTerminal: stream.isTTY === true,
    write,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
  }
}

function toBrokenPipe(error: Error & { code?: string }): Error {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') return error
  const broken = new Error('Cannot write: the reader has gone', { cause: error })
  broken.name = BROKEN_PIPE
  return broken
}

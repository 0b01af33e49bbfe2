import { CommanderError } from 'commander'
import type { GlobalOptions, Io } from './context.ts'
import { describeFailure, EXIT } from './failure.ts'
import { createProgram } from './program.ts'
import { isBrokenPipe } from './terminal/output.ts'

/** Runs one command line. @returns the exit code */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let code: number = EXIT.ok
  const program = createProgram(io, (value) => {
    code = value
  })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    // --help and --version end by throwing too; so does `varve` alone, after printing its help.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
    // As other tools do: a reader that has seen enough is no failure.
    if (isBrokenPipe(error)) return EXIT.ok
    tell(io, program.opts<GlobalOptions>(), error)
    return describeFailure(error).exitCode
  }
  return code
}

function tell(io: Io, options: GlobalOptions, error: unknown): void {
  if (io.signal.aborted) {
    io.stderr.write('varve: interrupted\n')
    return
  }
  const { message, hint, json } = describeFailure(error)
  if (options.json) io.stderr.write(`${JSON.stringify({ error: json })}\n`)
  else io.stderr.write(`varve: ${message}\n${hint ? `hint: ${hint}\n` : ''}`)
  if (options.debug) io.stderr.write(`${stackOf(error)}\n`)
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { stack = error.message, cause } = error
  return cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(cause)}`
}

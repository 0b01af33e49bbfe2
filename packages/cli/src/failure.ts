import { LayerError } from '@varve/core/errors'
import { CommanderError } from 'commander'
import { printable } from './terminal/words.ts'

/** Exit codes of `varve`. */
export const EXIT = {
  ok: 0,
  /** Something failed, or a check found problems. */
  failure: 1,
  /** The command line was not understood. */
  usage: 2,
} as const

const USAGE = 'varve.usage'

/** An error in how the command was called: exit code 2. */
export function usageError(message: string, hint?: string): CommanderError {
  return new CommanderError(EXIT.usage, USAGE, hint ? `${message}\n${hint}` : message)
}

/** What the user is told about an error. */
export interface Failure {
  readonly exitCode: number
  /** Without `varve: ` in front. */
  readonly message: string
  readonly hint: string | undefined
  /** For `--json`. */
  readonly json: Record<string, unknown>
}

/** Puts any error into the words that the user sees. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof CommanderError) return describeUsage(error)
  if (LayerError.is(error)) {
    return {
      exitCode: EXIT.failure,
      message: lowerFirst(oneLine(withoutSyscall(error.message))),
      hint: error.hint === undefined ? undefined : lowerFirst(oneLine(error.hint)),
      json: typeof error.toJSON === 'function' ? error.toJSON() : { code: error.code },
    }
  }
  const text = error instanceof Error ? error.message : String(error)
  return {
    exitCode: EXIT.failure,
    message: `cannot go on: ${oneLine(text)}`,
    hint: 'this is a fault in varve; run it again with --debug and report what it prints',
    json: { code: 'ERR_INTERNAL', message: text },
  }
}

function describeUsage(error: CommanderError): Failure {
  // commander: "error: unknown command 'x'\n(Did you mean y?)"
  // "error: option '--x <y>' argument 'z' is invalid. Allowed choices are …"
  const text = error.message.replace(/^error: /, '').replace(/( is invalid)\. /, '$1\n')
  const [first = '', ...rest] = text.split('\n')
  const hint = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1')
  return {
    exitCode: EXIT.usage,
    message: oneLine(first.replace(/\.$/, '')),
    hint: hint === '' ? 'see varve --help' : lowerFirst(oneLine(hint)),
    json: { code: 'ERR_INVALID_ARGUMENT', message: first, ...(hint ? { hint } : {}) },
  }
}

function oneLine(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, '; '))
}

/** "ENOENT: no such file or directory, open '/x'" says the path twice: "no such file or directory". */
function withoutSyscall(text: string): string {
  return text.replace(/\bE[A-Z0-9]+: ([^,]+), [a-z]+\b.*$/, '$1')
}

/** "Cannot …" becomes "cannot …"; "OCI …" stays. */
export function lowerFirst(text: string): string {
  return /^[A-Z][a-z ]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
}

import { type ErrorCode, LayerError } from '@varve/core'
import { HcsError } from '@varve/sys'

/** An error on its way to another process, with all that led to it. */
export interface SentError {
  readonly kind: 'layer' | 'service' | 'several' | 'other'
  readonly message: string
  /** What a program would ask for: codes, paths, HRESULTs. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly cause?: SentError
  readonly errors?: readonly SentError[]
}

/** Causes of causes that are sent. */
const DEEPEST = 16

/** An error as what JSON can hold. */
export function sendError(error: unknown, depth = 0): SentError {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof Error) || depth > DEEPEST) return { kind: 'other', message, facts: {} }
  const cause = error.cause === undefined ? {} : { cause: sendError(error.cause, depth + 1) }
  if (LayerError.is(error)) {
    const { code, data, hint } = error
    return { kind: 'layer', message, facts: { code, data, hint }, ...cause }
  }
  if (error instanceof HcsError) {
    const { syscall, hresult, rest } = error
    return { kind: 'service', message, facts: { syscall, hresult, rest }, ...cause }
  }
  if (error instanceof AggregateError) {
    const errors = error.errors.map((one) => sendError(one, depth + 1))
    return { kind: 'several', message, facts: {}, errors, ...cause }
  }
  const { code, errno, syscall, path } = error as NodeJS.ErrnoException
  return { kind: 'other', message, facts: { code, errno, syscall, path }, ...cause }
}

/** The error again, of the same class. */
export function receiveError(sent: SentError): Error {
  const error = bare(sent)
  if (sent.cause) error.cause = receiveError(sent.cause)
  return error
}

function bare({ kind, message, facts, errors = [] }: SentError): Error {
  if (kind === 'several') return new AggregateError(errors.map(receiveError), message)
  if (kind === 'service') {
    const error = new HcsError(String(facts.syscall), Number(facts.hresult), String(facts.rest))
    error.message = message
    return error
  }
  if (kind === 'other') return Object.assign(new Error(message), facts)
  const { code, data, hint } = facts as {
    code: ErrorCode
    data: Record<string, unknown>
    hint?: string
  }
  return new LayerError(code, message, { data, ...(hint === undefined ? {} : { hint }) })
}

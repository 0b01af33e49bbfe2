import { type ErrorCode, LayerError } from '@varve/core/errors'

/** What is wrong with an archive; the scanner turns it into an error that says where. */
export class Fault extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, reason: string) {
    super(reason)
    this.code = code
  }
}

/** A {@link Fault} that Go calls an invalid header. */
export function invalid(reason: string): Fault {
  return new Fault('ERR_INVALID_TAR', reason)
}

/** A {@link Fault} for something longer than anyone needs. */
export function tooLong(reason: string): Fault {
  return new Fault('ERR_LIMIT_EXCEEDED', reason)
}

/** The error for a fault found at `offset` of the stream. */
export function faultAt(fault: Fault, offset: number): LayerError {
  const text = `Cannot read tar: ${fault.message} (at byte ${offset})`
  return new LayerError(fault.code, text, { data: { offset } })
}

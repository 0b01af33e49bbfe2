/**
 * The one error class of varve and its codes. Codes are API: they are documented in the README of
 * `@varve/core` and never renamed. This module imports nothing, so that it also runs in a browser.
 *
 * @module
 */

/** Every code that a {@link LayerError} can carry; the README of `@varve/core` explains each. */
export const ERROR_CODES = [
  'ERR_ABORTED',
  'ERR_AMBIGUOUS_ID',
  'ERR_BLOB_NOT_FOUND',
  'ERR_CLEANUP_FAILED',
  'ERR_CLOSED',
  'ERR_CORRUPT_COMPRESSION',
  'ERR_CORRUPT_LAYER',
  'ERR_CORRUPT_METADATA',
  'ERR_CORRUPT_RECORD',
  'ERR_DIGEST_MISMATCH',
  'ERR_DIGEST_NOT_SET',
  'ERR_IMAGE_EXISTS',
  'ERR_IMAGE_NOT_FOUND',
  'ERR_INTERNAL',
  'ERR_INVALID_ARGUMENT',
  'ERR_INVALID_IMAGE',
  'ERR_INVALID_TAR',
  'ERR_IO',
  'ERR_LAYER_IN_USE',
  'ERR_LAYER_NOT_FOUND',
  'ERR_LAYER_NOT_RETAINED',
  'ERR_LIMIT_EXCEEDED',
  'ERR_LOCKED',
  'ERR_MAX_DEPTH',
  'ERR_MOUNT_IN_USE',
  'ERR_MOUNT_NAME_CONFLICT',
  'ERR_MOUNT_NOT_FOUND',
  'ERR_NO_SPACE',
  'ERR_NOT_A_STORE',
  'ERR_NOT_SUPPORTED',
  'ERR_PERMISSION',
  'ERR_STORE_VERSION',
  'ERR_TRUNCATED',
  'ERR_UNKNOWN_MEDIA_TYPE',
  'ERR_UNSAFE_PATH',
] as const

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** What a {@link LayerError} is made from, beside its code and message. */
export interface LayerErrorOptions {
  /** The error that led to this one; always kept. */
  readonly cause?: unknown
  /** Facts for programs: the digest, path, syscall, limit or offset concerned. */
  readonly data?: Readonly<Record<string, unknown>>
  /** What the user can do about it, as one sentence without a full stop. */
  readonly hint?: string
}

/**
 * The error of every varve package.
 *
 * The message says what was attempted and on what (`Cannot register layer: …`), `code` says which
 * kind of failure it was, `data` holds the facts, `hint` the way out and `cause` what lay beneath.
 *
 * @example
 * ```ts
 * import { LayerError } from '@varve/core/errors'
 *
 * const e = new LayerError('ERR_MAX_DEPTH', 'Cannot register layer: chain is 125 layers deep')
 * console.assert(e.code === 'ERR_MAX_DEPTH' && LayerError.is(e, 'ERR_MAX_DEPTH'))
 * ```
 */
export class LayerError extends Error {
  readonly code: ErrorCode
  readonly data: Readonly<Record<string, unknown>>
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: LayerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'LayerError'
    this.code = code
    this.data = options.data ?? {}
    this.hint = options.hint
  }

  /** Whether `value` is a LayerError, of `code` if that is given; true across package copies. */
  static is(value: unknown, code?: ErrorCode): value is LayerError {
    return (
      value instanceof Error &&
      value.name === 'LayerError' &&
      'code' in value &&
      (code === undefined || value.code === code)
    )
  }

  /** The error as plain data, causes included: what `--json` prints. */
  toJSON(): Record<string, unknown> {
    const { code, message, data, hint, cause } = this
    return {
      code,
      message,
      ...(Object.keys(data).length > 0 ? { data } : {}),
      ...(hint === undefined ? {} : { hint }),
      ...(cause === undefined ? {} : { cause: describeCause(cause) }),
    }
  }
}

function describeCause(cause: unknown): unknown {
  if (LayerError.is(cause)) return cause.toJSON()
  return cause instanceof Error ? cause.message : String(cause)
}

const CODE_OF_ERRNO: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
  EACCES: 'ERR_PERMISSION',
  EPERM: 'ERR_PERMISSION',
  EROFS: 'ERR_PERMISSION',
}

/** Linux's EDQUOT, as Node numbers it; libuv has no name for it. No other system has a -122. */
const EDQUOT = -122

const HINT_OF_CODE: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_NO_SPACE: 'Free some space on the file system of the store, then run it again',
  ERR_PERMISSION: 'Run as a user who may write to the store, or choose another root',
}

/**
 * Turns whatever was thrown into a {@link LayerError} that says what was attempted.
 *
 * A LayerError passes through unchanged; an `AbortError` gets `ERR_ABORTED`; an operating-system
 * error gets the code that fits its errno (`ERR_NO_SPACE`, `ERR_PERMISSION`, otherwise `ERR_IO`) and keeps `errno`,
 * `syscall` and `path` in `data`.
 *
 * @param error what was caught
 * @param attempt what was being done, as `Cannot read layer sha256:…`
 */
export function wrapError(
  error: unknown,
  attempt: string,
  data: Readonly<Record<string, unknown>> = {},
): LayerError {
  if (LayerError.is(error)) return error
  if (error instanceof Error && error.name === 'AbortError') {
    return new LayerError('ERR_ABORTED', `${attempt}: interrupted`, { cause: error, data })
  }
  const os = error as {
    code?: unknown
    errno?: unknown
    syscall?: unknown
    path?: unknown
    message?: unknown
  }
  const quota = os?.errno === EDQUOT
  const errno = quota ? 'EDQUOT' : typeof os?.code === 'string' ? os.code : undefined
  const code = (errno && CODE_OF_ERRNO[errno]) || 'ERR_IO'
  const hint = HINT_OF_CODE[code]
  const why = quota ? 'EDQUOT: disk quota exceeded' : (os?.message ?? String(error))
  return new LayerError(code, `${attempt}: ${why}`, {
    cause: error,
    data: { ...data, ...(errno ? { errno } : {}), ...pick(os, 'syscall'), ...pick(os, 'path') },
    ...(hint ? { hint } : {}),
  })
}

function pick(from: object | undefined, key: string): Record<string, unknown> {
  const value = (from as Record<string, unknown> | undefined)?.[key]
  return value === undefined ? {} : { [key]: value }
}

/**
 * Runs clean-up steps in order, all of them, whatever fails, and gives the error to throw:
 * `primary` itself when all went well, otherwise one that carries both.
 *
 * @param primary the error that made the clean-up necessary, or undefined
 */
export async function cleanUp(
  primary: unknown,
  ...steps: readonly (() => Promise<unknown> | unknown)[]
): Promise<unknown> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 0) return primary
  const first = failures[0]
  const text = first instanceof Error ? first.message : String(first)
  const main = primary instanceof Error ? primary.message : 'Cannot clean up'
  return new LayerError(
    LayerError.is(primary) ? primary.code : 'ERR_CLEANUP_FAILED',
    `${main} (and cleaning up failed: ${text})`,
    {
      cause: new AggregateError(primary === undefined ? failures : [primary, ...failures]),
      hint: 'What is left over is swept when the store is next opened, or by check --repair',
    },
  )
}

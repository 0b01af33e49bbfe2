import type { NativeCalls } from '@varve/sys'

/**
 * The file calls that everything in this package is made of: those of `@varve/sys`, or the same in
 * terms of `node:fs` (see `node-calls.ts`) where there is no FFI. All are synchronous and take a
 * directory descriptor and a name in it, never a path of several components.
 */
export type FileCalls = Pick<
  NativeCalls,
  | 'openat'
  | 'close'
  | 'mkdirIfNone'
  | 'mknodat'
  | 'symlinkat'
  | 'linkat'
  | 'unlinkIfAny'
  | 'renameat2'
  | 'readlinkat'
  | 'readdir'
  | 'fstat'
  | 'statIfAny'
  | 'fchmod'
  | 'fchmodat'
  | 'fchown'
  | 'fchownat'
  | 'futimens'
  | 'utimensat'
  | 'setxattr'
  | 'getxattr'
  | 'listxattr'
  | 'removexattr'
  | 'read'
  | 'write'
  | 'ftruncate'
  | 'seekData'
  | 'seekHole'
>

/** The errno name of an operating-system error; undefined for any other. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

import type { ByteSource, ErrorCode } from '@varve/core'
import { type TarEntry, tarOf } from '../tar/build.ts'

/** One tar and what must come of it. */
export interface CorpusCase {
  /** Says what is in it; unique. */
  readonly name: string
  /** Whether it was made to do harm. */
  readonly hostile: boolean
  /** The layer that it must be applied on, if any. */
  readonly base?: () => ByteSource
  readonly tar: () => ByteSource
  /**
   * What a driver does with it. `either` is for what the trusted tools disagree about: it may be
   * taken or refused, as long as it does no harm.
   */
  readonly expect: 'applies' | 'refused' | 'either'
  /** With which code it is refused. */
  readonly codes: readonly ErrorCode[]
  /** Files to be found after it was applied, with their content; undefined: there is none. */
  readonly files?: Readonly<Record<string, string | undefined>>
}

/** A place outside of every layer that hostile tars try to reach. */
export interface Canary {
  /** Absolute path of a directory that holds `file` and `dir/inner`. */
  readonly path: string
}

type Entries = readonly (TarEntry | Uint8Array)[]
interface Details {
  readonly base?: Entries
  readonly codes?: readonly ErrorCode[]
  readonly files?: Readonly<Record<string, string | undefined>>
}

/** What any damaged or hostile tar may be refused with. */
export const REFUSALS: readonly ErrorCode[] = [
  'ERR_INVALID_TAR',
  'ERR_UNSAFE_PATH',
  'ERR_LIMIT_EXCEEDED',
]

function tarCase(
  hostile: boolean,
  expect: CorpusCase['expect'],
  name: string,
  entries: Entries | (() => ByteSource),
  { base, codes = REFUSALS, files }: Details = {},
): CorpusCase {
  return {
    name,
    hostile,
    expect,
    codes,
    tar: typeof entries === 'function' ? entries : () => [tarOf(entries)],
    ...(base ? { base: () => [tarOf(base)] } : {}),
    ...(files ? { files } : {}),
  }
}

type MakeCase = (
  name: string,
  entries: Entries | (() => ByteSource),
  details?: Details,
) => CorpusCase

/** An honest tar that must apply. */
export const odd: MakeCase = (...rest) => tarCase(false, 'applies', ...rest)
/** A tar that must be refused. */
export const refused: MakeCase = (...rest) => tarCase(true, 'refused', ...rest)
/** A hostile tar that must apply and do no harm. */
export const harmless: MakeCase = (...rest) => tarCase(true, 'applies', ...rest)
/** A tar that may be taken or refused, but must do no harm. */
export const either: MakeCase = (...rest) => tarCase(true, 'either', ...rest)

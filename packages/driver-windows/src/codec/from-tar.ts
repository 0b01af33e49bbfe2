import { type ByteSource, LayerError } from '@varve/core'
import type { TarEntry, TarTime } from '@varve/tar'
import { encodePartHeader, SPARSE, STREAM } from './backup-stream.ts'
import { fromBase64 } from './base64.ts'
import { encodeExtendedAttributes } from './extended-attributes.ts'
import { ATTRIBUTE, type FileBasicInfo } from './file-info.ts'
import { filetimeOf, GO_ZERO_TIME, nanosecondsOf, parsePaxTime } from './filetime.ts'
import { type BackupTarOptions, RECORD } from './records.ts'
import { encodeReparsePoint } from './reparse-point.ts'
import { securityDescriptorOf } from './sddl.ts'
import { TarEntries, textOfName } from './tar-entries.ts'

/** A file of a Windows layer, out of its tar. */
export interface TarFile {
  /** As in the tar, with slashes. */
  readonly name: string
  readonly entry: TarEntry
  /** Bytes of its data. */
  readonly size: number
  readonly info: FileBasicInfo
  /** A hard link's or symbolic link's target, as in the tar. */
  readonly linkname: string
  /** Its backup stream, alternate streams included. Read it before the next file, or never. */
  readonly stream: AsyncIterable<Uint8Array>
  /** Entries of the alternate streams that were met in `stream` so far. */
  readonly alternates: readonly TarEntry[]
}

/**
 * The files of a layer's tar with the backup streams to restore them from, as go-winio makes them.
 * Whiteouts and hard links are files here: their names and types tell.
 *
 * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_NOT_SUPPORTED` for security in a form
 *   that needs Windows to understand it
 *
 * @example
 * ```ts
 * import { emptyTar } from '@varve/core'
 * import { readTarFiles } from '@varve/driver-windows'
 *
 * for await (const { name, stream } of readTarFiles([emptyTar()])) {
 *   for await (const part of stream) console.log(name, part.length)
 * }
 * ```
 */
export async function* readTarFiles(
  tar: ByteSource,
  options: BackupTarOptions = {},
): AsyncGenerator<TarFile> {
  const entries = new TarEntries(tar)
  try {
    for (;;) {
      const entry = await entries.next()
      if (entry === undefined) return
      if (entry.type === 'global') continue
      const name = textOfName(entry.name)
      const alternates: TarEntry[] = []
      const stream = streamOf(entry, name, entries, alternates)
      yield {
        name,
        entry,
        size: entry.size,
        info: basicInfoOf(entry, name, options),
        linkname: textOfName(entry.linkname),
        stream,
        alternates,
      }
      // Also when nobody wanted it: the alternate streams are no files of their own.
      for await (const _ of stream);
    }
  } finally {
    await entries.close()
  }
}

/** @throws LayerError `ERR_INVALID_TAR` for a malformed number or time */
function basicInfoOf(entry: TarEntry, name: string, options: BackupTarOptions): FileBasicInfo {
  const absent = options.strictTimes ? 0n : GO_ZERO_TIME
  const time = (value: TarTime | undefined) =>
    value === undefined ? absent : filetimeOf(nanosecondsOf(value))
  const lastWrite = time(entry.mtime)
  return {
    creation: creationOf(entry, name) ?? lastWrite,
    lastAccess: time(entry.atime),
    lastWrite,
    change: time(entry.ctime),
    attributes: attributesOf(entry, name),
  }
}

function creationOf(entry: TarEntry, name: string): bigint | undefined {
  const text = textRecord(entry, RECORD.creationTime)
  if (text === undefined) return undefined
  const time = parsePaxTime(text)
  if (time === undefined) throw invalid(name, 'its time of creation is malformed')
  return filetimeOf(time)
}

function attributesOf(entry: TarEntry, name: string): number {
  const text = textRecord(entry, RECORD.attributes)
  if (text === undefined) return entry.type === 'directory' ? ATTRIBUTE.directory : 0
  const bits = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(bits <= 0xffffffff)) throw invalid(name, 'its attributes are malformed')
  return bits
}

async function* streamOf(
  entry: TarEntry,
  name: string,
  entries: TarEntries,
  alternates: TarEntry[],
): AsyncGenerator<Uint8Array> {
  yield* metadataOf(entry, name)
  if (entry.type === 'file') yield* contentOf(entry, entries)
  const prefix = `${name.replace(/\/$/, '')}:`
  for (;;) {
    const next = await entries.peek()
    if (next?.type !== 'file') return
    const alternate = textOfName(next.name)
    if (!alternate.startsWith(prefix)) return
    await entries.next()
    alternates.push(next)
    const header = { id: STREAM.alternate, name: `${alternate.slice(prefix.length - 1)}:$DATA` }
    yield* contentOf(next, entries, header)
  }
}

function* metadataOf(entry: TarEntry, name: string): Generator<Uint8Array> {
  const part = function* (id: number, payload: Uint8Array): Generator<Uint8Array> {
    yield encodePartHeader({ id, size: payload.length })
    yield payload
  }
  const raw = bytesRecord(entry, RECORD.security, name)
  const text = textRecord(entry, RECORD.securityText)
  if (raw) yield* part(STREAM.security, raw)
  else if (text !== undefined) yield* part(STREAM.security, securityDescriptorOf(text))
  const attributes = [...entry.records.keys()]
    .filter((key) => key.startsWith(RECORD.extendedAttribute))
    .sort()
    .map((key) => ({
      name: key.slice(RECORD.extendedAttribute.length),
      value: bytesRecord(entry, key, name) ?? new Uint8Array(0),
      flags: 0,
    }))
  if (attributes.length > 0) {
    yield* part(STREAM.extendedAttributes, encodeExtendedAttributes(attributes))
  }
  if (entry.type === 'symlink') {
    const target = textOfName(entry.linkname).replaceAll('/', '\\')
    const isMountPoint = entry.records.has(RECORD.mountPoint)
    yield* part(STREAM.reparse, encodeReparsePoint({ target, isMountPoint }))
  }
}

/** A part and its payload; a sparse file of the tar becomes a sparse part. */
async function* contentOf(
  { size, sparse }: TarEntry,
  entries: TarEntries,
  header: { readonly id: number; readonly name?: string } = { id: STREAM.data },
): AsyncGenerator<Uint8Array> {
  if (!sparse) {
    yield encodePartHeader({ ...header, size })
    yield* entries.payload()
    return
  }
  yield encodePartHeader({ ...header, size: 0, attributes: SPARSE })
  if (size === 0) return
  let ahead: Uint8Array = new Uint8Array(0)
  const payload = entries.payload()
  for (const { offset, length } of sparse.regions) {
    yield encodePartHeader({ id: STREAM.sparseBlock, size: length, offset })
    for (let left = length; left > 0; ) {
      if (ahead.length === 0) ahead = (await payload.next()).value ?? ahead
      const part = ahead.subarray(0, left)
      ahead = ahead.subarray(part.length)
      left -= part.length
      yield part
    }
  }
  yield encodePartHeader({ id: STREAM.sparseBlock, size: 0, offset: size })
}

function textRecord(entry: TarEntry, key: string): string | undefined {
  const value = entry.records.get(key)
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

function bytesRecord(entry: TarEntry, key: string, name: string): Uint8Array | undefined {
  const text = textRecord(entry, key)
  if (text === undefined) return undefined
  const bytes = fromBase64(text)
  if (bytes === undefined) throw invalid(name, `its record “${key}” is no base64`)
  return bytes
}

function invalid(name: string, why: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot read ${name}: ${why}`, { data: { name } })
}

import { type ByteSource, LayerError } from '@varve/core'
import { encodeHeader, paddingFor } from '@varve/tar'
import { BackupReader, type PartHeader, SPARSE, STREAM } from './backup-stream.ts'
import { type FileBasicInfo, isDirectory } from './file-info.ts'
import { paxTimeText, tarTimeOf, unixNanoseconds } from './filetime.ts'
import { type BackupTarOptions, RECORD } from './records.ts'
import {
  ascii,
  hasNoPlace,
  inBlocks,
  MODE,
  newSurvey,
  type Survey,
  surveyStream,
  unknownPart,
} from './survey.ts'

/** A backup stream: one that can be read once, or opened as often as one likes. */
export type BackupSource = ByteSource | { readonly open: () => ByteSource }

/** A file whose tar entries are wanted. */
export interface BackedUpFile {
  /** From the root of the layer, with backslashes or slashes. */
  readonly name: string
  /** Bytes of its data. */
  readonly size: number
  readonly info: FileBasicInfo
  readonly stream: BackupSource
}

/** Larger holes and alternate streams are not written out. */
const LARGEST_ALTERNATE = 2 ** 40

/**
 * The tar entries of a file: its own, and one for each alternate data stream, as go-winio writes
 * them.
 *
 * A stream that can be opened twice is read twice, and nothing of it is lost that a tar can hold. One
 * that cannot be is refused if metadata comes after the data.
 *
 * @throws LayerError `ERR_TRUNCATED` or `ERR_CORRUPT_LAYER` for a damaged stream or one that has not
 *   `size` bytes of data, `ERR_NOT_SUPPORTED` for what no tar holds, `ERR_LIMIT_EXCEEDED`
 *
 * @example
 * ```ts
 * import { encodePartHeader, STREAM, writeBackupToTar } from '@varve/driver-windows'
 *
 * const info = { creation: 0n, lastAccess: 0n, lastWrite: 0n, change: 0n, attributes: 0x20 }
 * const stream = [encodePartHeader({ id: STREAM.data, size: 2 }), Uint8Array.of(104, 105)]
 * const file = { name: 'Files\\hi.txt', size: 2, info, stream }
 * let length = 0
 * for await (const part of writeBackupToTar(file)) length += part.length
 * console.assert(length > 1024 && length % 512 === 0)
 * ```
 */
export async function* writeBackupToTar(
  file: BackedUpFile,
  options: BackupTarOptions = {},
): AsyncGenerator<Uint8Array> {
  const { stream } = file
  const go = options.goCompatible ?? false
  const name = file.name.replaceAll('\\', '/')
  const survey = newSurvey(file.info)
  if (!('open' in stream)) {
    const reader = new BackupReader(stream)
    try {
      await surveyStream(survey, reader, name, go, (part) => contentBegins(part, go))
      if ((await reader.peek())?.id === STREAM.data) survey.mode |= MODE.file
      const entry = new Entry(file, name, survey, options, 'once')
      yield entry.header()
      yield* writeContents(entry, reader, 'all')
    } finally {
      await reader.close()
    }
    return
  }
  const first = new BackupReader(stream.open())
  try {
    await surveyStream(survey, first, name, go, () => false)
  } finally {
    await first.close()
  }
  const entry = new Entry(file, name, survey, options, 'twice')
  entry.checkSurvey()
  yield entry.header()
  const passes = survey.alternateFirst && !go ? (['data', 'alternates'] as const) : ['all' as const]
  for (const what of passes) {
    const reader = new BackupReader(stream.open())
    try {
      yield* writeContents(entry, reader, what)
    } finally {
      await reader.close()
    }
  }
}

/** Directories and empty files have no data; go-winio looks for it all the same. */
function contentBegins({ id }: PartHeader, go: boolean): boolean {
  return id === STREAM.data || (!go && id === STREAM.alternate)
}

/** What is known of a file when its content is written. */
class Entry {
  readonly file: BackedUpFile
  readonly name: string
  readonly survey: Survey
  readonly go: boolean
  readonly read: 'once' | 'twice'
  readonly times: ReadonlyMap<string, Uint8Array>
  readonly records: ReadonlyMap<string, Uint8Array>

  constructor(
    file: BackedUpFile,
    name: string,
    survey: Survey,
    options: BackupTarOptions,
    read: 'once' | 'twice',
  ) {
    const { info } = file
    this.file = file
    this.name = name
    this.survey = survey
    this.go = options.goCompatible ?? false
    this.read = read
    const times = new Map<string, Uint8Array>()
    const records = new Map(survey.records)
    const put = (map: Map<string, Uint8Array>, key: string, filetime: bigint) => {
      if (options.strictTimes && filetime === 0n) return
      map.set(key, ascii(paxTimeText(unixNanoseconds(filetime))))
    }
    put(times, 'atime', info.lastAccess)
    put(times, 'ctime', info.change)
    if (this.mtime.nsec !== 0) put(times, 'mtime', info.lastWrite)
    put(records, RECORD.creationTime, info.creation)
    records.set(RECORD.attributes, ascii(String(info.attributes >>> 0)))
    this.times = times
    this.records = new Map([...records, ...times])
  }

  get mtime(): { readonly sec: number; readonly nsec: number } {
    return tarTimeOf(unixNanoseconds(this.file.info.lastWrite))
  }

  /** Bytes of data. */
  get size(): number {
    return isDirectory(this.file.info) ? 0 : this.file.size
  }

  /** Whether there is a place for data. */
  get isFile(): boolean {
    return this.survey.type === 'file'
  }

  /** @throws LayerError before anything is written of a file of another size */
  checkSurvey(): void {
    const { dataSize } = this.survey
    if (dataSize !== undefined && this.isFile && !this.go) checkSize(this, dataSize, this.size)
  }

  header(): Uint8Array {
    const { survey, size } = this
    return encodeHeader({
      name: ascii(this.name),
      type: survey.type,
      mode: survey.mode,
      uid: 0,
      gid: 0,
      mtime: this.mtime,
      linkname: ascii(survey.linkname),
      size,
      claimedSize: size,
      records: this.records,
    })
  }

  corrupt(why: string): LayerError {
    return new LayerError('ERR_CORRUPT_LAYER', `Cannot write ${this.name} to a tar: ${why}`, {
      data: { name: this.name },
    })
  }
}

async function* writeContents(
  entry: Entry,
  reader: BackupReader,
  what: 'all' | 'data' | 'alternates',
): AsyncGenerator<Uint8Array> {
  const { survey, go, size, isFile } = entry
  let alternates = 0
  let seenData = false
  let left = isFile && what !== 'alternates' ? size : 0
  for (;;) {
    const part = await reader.next()
    if (part === undefined) break
    if (part.id === STREAM.data && !seenData) {
      seenData = true
      if (!isFile || what === 'alternates') continue
      // Windows gives a sparse file that is empty a data part, but no blocks.
      if (size > 0 || !inBlocks(part)) yield* writeContent(entry, reader, part, size)
      yield paddingFor(size)
      left = 0
    } else if (part.id === STREAM.alternate) {
      const surveyed = survey.alternates[alternates++]
      if (what === 'data' || (go && !seenData)) continue
      checkSize(entry, 0, left)
      yield* writeAlternate(entry, reader, part, surveyed)
    } else if (part.id !== STREAM.sparseBlock || what === 'all') {
      checkOther(entry, part, seenData)
    }
  }
  checkSize(entry, 0, left)
}

async function* writeAlternate(
  entry: Entry,
  reader: BackupReader,
  part: PartHeader,
  surveyed: number | undefined,
): AsyncGenerator<Uint8Array> {
  const { go, survey } = entry
  const sparse = (part.attributes & SPARSE) !== 0
  if (sparse && (go || (entry.read === 'once' && part.size === 0))) {
    throw notInOnePass(entry, 'a stream of it is sparse', part)
  }
  const size = go || entry.read === 'once' ? part.size : (surveyed ?? part.size)
  if (size > LARGEST_ALTERNATE) throw entry.corrupt('an alternate stream is too large')
  yield encodeHeader({
    name: ascii(entry.name + part.name.replace(/:\$DATA$/, '')),
    type: 'file',
    mode: go ? survey.mode : MODE.file,
    uid: 0,
    gid: 0,
    mtime: entry.mtime,
    size,
    records: entry.times,
  })
  yield* writeContent(entry, reader, part, size)
  yield paddingFor(size)
}

async function* writeContent(
  entry: Entry,
  reader: BackupReader,
  part: PartHeader,
  size: number,
): AsyncGenerator<Uint8Array> {
  if (!inBlocks(part)) {
    checkSize(entry, part.size, size)
    yield* reader.data()
    return
  }
  let at = 0
  while ((await reader.peek())?.id === STREAM.sparseBlock) {
    const block = (await reader.next()) as PartHeader
    if (block.offset < at || block.offset + block.size > size) {
      throw entry.corrupt('its sparse blocks are out of order or beyond its end')
    }
    yield* zeros(block.offset - at)
    yield* reader.data()
    at = block.offset + block.size
    if (block.size === 0) break
  }
  checkSize(entry, at, size)
}

/** Parts beside the content are surveyed by now, or lost as in Go, or refused. */
function checkOther(entry: Entry, part: PartHeader, afterData: boolean): void {
  if (hasNoPlace(part)) return
  const isMetadata =
    part.id === STREAM.extendedAttributes ||
    part.id === STREAM.security ||
    part.id === STREAM.reparse
  if (!isMetadata) throw unknownPart(part, entry.name)
  if (entry.go) {
    if (afterData && part.id !== STREAM.extendedAttributes) throw unknownPart(part, entry.name)
  } else if (entry.read === 'once') {
    throw notInOnePass(entry, 'its metadata comes after its data', part)
  }
}

function notInOnePass(entry: Entry, why: string, { id }: PartHeader): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot write ${entry.name} to a tar: ${why}`, {
    data: { name: entry.name, id },
    hint: 'Give a stream that can be opened twice',
  })
}

function checkSize(entry: Entry, found: number, size: number): void {
  if (found !== size) throw entry.corrupt(`it has ${found} bytes of data instead of ${size}`)
}

const ZEROS_AT_ONCE = 64 * 1024

function* zeros(count: number): Generator<Uint8Array> {
  const block = new Uint8Array(Math.min(count, ZEROS_AT_ONCE))
  for (let left = count; left > 0; left -= block.length) {
    yield left < block.length ? block.subarray(0, left) : block
  }
}

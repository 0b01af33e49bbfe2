import { LayerError } from '@varve/core'
import { encodeHeader, paddingFor } from '@varve/tar'
import { type BackupReader, type PartHeader, SPARSE, STREAM } from './backup-stream.ts'
import type { FileEntry } from './file-entry.ts'
import { ascii, hasNoPlace, inBlocks, MODE, unknownPart } from './survey.ts'

/** Larger holes and alternate streams are not written out. */
const LARGEST_ALTERNATE = 2 ** 40

/**
 * The data of a file and its alternate streams, each with a header of its own, as they come in its
 * backup stream.
 *
 * @param what what of them is wanted in this pass
 */
export async function* writeContents(
  entry: FileEntry,
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
      entry.checkSize(0, left)
      yield* writeAlternate(entry, reader, part, surveyed)
    } else if (part.id !== STREAM.sparseBlock || what === 'all') {
      checkOther(entry, part, seenData)
    }
  }
  entry.checkSize(0, left)
}

async function* writeAlternate(
  entry: FileEntry,
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
  entry: FileEntry,
  reader: BackupReader,
  part: PartHeader,
  size: number,
): AsyncGenerator<Uint8Array> {
  if (!inBlocks(part)) {
    entry.checkSize(part.size, size)
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
  entry.checkSize(at, size)
}

/** Parts beside the content are surveyed by now, or lost as in Go, or refused. */
function checkOther(entry: FileEntry, part: PartHeader, afterData: boolean): void {
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

function notInOnePass(entry: FileEntry, why: string, { id }: PartHeader): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot write ${entry.name} to a tar: ${why}`, {
    data: { name: entry.name, id },
    hint: 'Give a stream that can be opened twice',
  })
}

const ZEROS_AT_ONCE = 64 * 1024

function* zeros(count: number): Generator<Uint8Array> {
  const block = new Uint8Array(Math.min(count, ZEROS_AT_ONCE))
  for (let left = count; left > 0; left -= block.length) {
    yield left < block.length ? block.subarray(0, left) : block
  }
}

import { LayerError } from '@varve/core'
import type { TarHeader } from '@varve/tar'
import { type BackupReader, type PartHeader, SPARSE, STREAM } from './backup-stream.ts'
import { toBase64 } from './base64.ts'
import { parseExtendedAttributes } from './extended-attributes.ts'
import { type FileBasicInfo, isDirectory } from './file-info.ts'
import { RECORD } from './records.ts'
import { parseReparsePoint } from './reparse-point.ts'

/** Limits of what is held in memory: Windows allows 64 KiB of each, 16 KiB of the last. */
const LIMIT = { security: 1 << 20, attributes: 1 << 20, reparse: 1 << 16 } as const

/** File types in a mode, as `backuptar` writes them. */
export const MODE = { file: 0o100000, directory: 0o40000, symlink: 0o120000 } as const

/** What a backup stream says that belongs into a tar header. */
export interface Survey {
  type: TarHeader['type']
  mode: number
  linkname: string
  readonly records: Map<string, Uint8Array>
  /** Bytes of the data, if a whole stream was looked at and has any. */
  dataSize: number | undefined
  /** Sizes of the alternate streams in their order, if a whole stream was looked at. */
  readonly alternates: number[]
  /** Whether one of them comes before the data, which in a tar it cannot. */
  alternateFirst: boolean
}

/** A survey of nothing yet: what the attributes alone say. */
export function newSurvey(info: FileBasicInfo): Survey {
  const directory = isDirectory(info)
  return {
    type: directory ? 'directory' : 'file',
    mode: directory ? MODE.directory : 0,
    linkname: '',
    records: new Map(),
    dataSize: undefined,
    alternates: [],
    alternateFirst: false,
  }
}

/**
 * Takes note of the metadata in a stream, up to the part that `stopBefore` says or its end.
 *
 * @param go be as forgetful as go-winio: no sparse blocks, no target without a name to show
 */
export async function surveyStream(
  survey: Survey,
  reader: BackupReader,
  name: string,
  go: boolean,
  stopBefore: (part: PartHeader) => boolean,
): Promise<void> {
  for (;;) {
    const part = await reader.peek()
    if (part === undefined || stopBefore(part)) return
    await reader.next()
    if (part.id === STREAM.data) {
      survey.mode |= MODE.file
      survey.alternateFirst ||= survey.alternates.length > 0
      survey.dataSize = go ? part.size : await contentSize(reader, part)
    } else if (part.id === STREAM.alternate) {
      survey.alternates.push(go ? part.size : await contentSize(reader, part))
    } else if (!(await takeMetadata(survey, reader, part, name, go))) {
      if (!hasNoPlace(part)) throw unknownPart(part, name)
    }
  }
}

async function takeMetadata(
  survey: Survey,
  reader: BackupReader,
  { id }: PartHeader,
  name: string,
  go: boolean,
): Promise<boolean> {
  const { records } = survey
  if (id === STREAM.security) {
    const bytes = await reader.payload(LIMIT.security, `the security of ${name}`)
    records.set(RECORD.security, ascii(toBase64(bytes)))
  } else if (id === STREAM.extendedAttributes) {
    const bytes = await reader.payload(LIMIT.attributes, `the extended attributes of ${name}`)
    for (const attribute of parseExtendedAttributes(bytes)) {
      records.set(RECORD.extendedAttribute + attribute.name, ascii(toBase64(attribute.value)))
    }
  } else if (id === STREAM.reparse) {
    const bytes = await reader.payload(LIMIT.reparse, `the link ${name}`)
    const { target, isMountPoint } = parseReparsePoint(bytes, !go)
    survey.mode |= MODE.symlink
    survey.type = 'symlink'
    survey.linkname = target
    if (isMountPoint) records.set(RECORD.mountPoint, ascii('1'))
  } else {
    return false
  }
  return true
}

/** The size of data or an alternate stream, which for a sparse one its last block tells. */
async function contentSize(reader: BackupReader, part: PartHeader): Promise<number> {
  let end = part.size
  if (!inBlocks(part)) return end
  while ((await reader.peek())?.id === STREAM.sparseBlock) {
    const block = (await reader.next()) as PartHeader
    end = block.offset + block.size
    if (block.size === 0) break
  }
  return end
}

/** A sparse file's data is empty, and its content follows in blocks; or it is all there. */
export function inBlocks({ attributes, size }: PartHeader): boolean {
  return (attributes & SPARSE) !== 0 && size === 0
}

/** Parts that a tar has no place for; go-winio leaves them out, too. */
export function hasNoPlace({ id }: PartHeader): boolean {
  return (
    id === STREAM.link ||
    id === STREAM.property ||
    id === STREAM.objectID ||
    id === STREAM.transaction
  )
}

/** The error for a part that nobody knows, or where it may not be. */
export function unknownPart({ id }: PartHeader, name: string): LayerError {
  return new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot write ${name} to a tar: a part with id ${id} is unknown, or in the wrong place`,
    { data: { name, id } },
  )
}

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

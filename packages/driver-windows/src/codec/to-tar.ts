import { BackupReader, type PartHeader, STREAM } from './backup-stream.ts'
import { writeContents } from './file-contents.ts'
import { type BackedUpFile, FileEntry } from './file-entry.ts'
import type { BackupTarOptions } from './records.ts'
import { MODE, newSurvey, surveyStream } from './survey.ts'

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
      const entry = new FileEntry(file, name, survey, options, 'once')
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
  const entry = new FileEntry(file, name, survey, options, 'twice')
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

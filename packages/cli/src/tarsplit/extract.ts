/**
 * Puts the payloads that a record names into a folder, under their names.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type DisplacedFile, LayerError, wrapError } from '@varve/core'
import type { RecordLine } from './record-lines.ts'

/**
 * Writes each payload to `folder`, which must be empty.
 *
 * @param tar path of the tar that the record was made from
 * @returns the payloads that could not be written under their names, because a name is taken,
 *   leads out of the folder or is none: the record must then hold them
 */
export async function extractPayloads(
  lines: AsyncIterable<RecordLine>,
  tar: string,
  folder: string,
): Promise<readonly DisplacedFile[]> {
  await makeEmpty(folder)
  const displaced: DisplacedFile[] = []
  const seen = new Map<string, number>()
  let offset = 0
  for await (const line of lines) {
    if (line.kind === 'file' && line.size > 0) {
      const key = Buffer.from(line.name).toString('latin1')
      const occurrence = seen.get(key) ?? 0
      seen.set(key, occurrence + 1)
      const from = offset
      const { name, size } = line
      const bytes = (): AsyncIterable<Uint8Array> => span(tar, from, size)
      const written = await writePayload(folder, name, bytes)
      if (!written) displaced.push({ name, occurrence, size, open: bytes })
    }
    offset += line.size
  }
  return displaced
}

async function makeEmpty(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
    if ((await readdir(folder)).length === 0) return
  } catch (error) {
    throw wrapError(error, `Cannot write payloads to ${folder}`)
  }
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot write payloads to ${folder}: it is not empty`,
    { hint: 'Give a new or empty folder with --payload' },
  )
}

function span(path: string, from: number, size: number): AsyncIterable<Uint8Array> {
  return createReadStream(path, { start: from, end: from + size - 1, highWaterMark: 2 ** 20 })
}

/** What a name that cannot be had in this folder fails with; anything else is a real failure. */
const UNFIT = new Set(['EEXIST', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'EILSEQ', 'EINVAL', 'ELOOP'])

/** False if the payload cannot stand in the folder under its name. */
async function writePayload(
  folder: string,
  name: Uint8Array,
  bytes: () => AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const relative = safeName(name)
  if (relative === undefined) return false
  const path = join(folder, relative)
  try {
    // There are only folders and files of ours in here, so that no link leads out.
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'wx')
    try {
      for await (const chunk of bytes()) await file.writeFile(chunk)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (UNFIT.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw wrapError(error, `Cannot write payload ${relative}`)
  }
}

/** The name as a relative path, if it is one that stays inside and reads the same back. */
function safeName(name: Uint8Array): string | undefined {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(name)
  } catch {
    return undefined
  }
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.length === 0 || parts.includes('..') || text.includes('\0')) return undefined
  return parts.join('/')
}

import type { Stats } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BackupReader, encodePartHeader, type PartHeader, STREAM } from '../codec/backup-stream.ts'
import {
  ATTRIBUTE,
  BASIC_INFO_BYTES,
  encodeBasicInfo,
  type FileBasicInfo,
  parseBasicInfo,
} from '../codec/file-info.ts'
import { filetimeOf } from '../codec/filetime.ts'

/** A part of a backup stream other than the data. */
export interface SidecarPart {
  readonly header: PartHeader
  readonly payload: Uint8Array
}

/** What of a file is not its data: see `emulated-fs.ts`. */
export interface Sidecar {
  readonly info: FileBasicInfo
  /** Parts of its backup stream before the data, and behind it. */
  readonly before: readonly SidecarPart[]
  readonly after: readonly SidecarPart[]
}

/** Alternate streams are kept in memory while a file is open. */
export const LARGEST_PART: number = 64 * 1024 * 1024

/** A file's sidecar; without one, what can be told from the file itself. */
export async function readSidecar(path: string, stat: Stats): Promise<Sidecar> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
    return { info: infoOfStat(stat), before: [], after: [] }
  }
  const before: SidecarPart[] = []
  const after: SidecarPart[] = []
  let list = before
  const reader = new BackupReader([bytes.subarray(BASIC_INFO_BYTES)])
  for (let header = await reader.next(); header; header = await reader.next()) {
    if (header.id === STREAM.data) list = after
    else list.push({ header, payload: await reader.payload(LARGEST_PART, path) })
  }
  return { info: parseBasicInfo(bytes), before, after }
}

/** Writes it anew; other names of the file see it, too. */
export async function writeSidecar(path: string, sidecar: Sidecar): Promise<void> {
  const part = ({ header, payload }: SidecarPart) => [encodePartHeader(header), payload]
  await mkdir(dirname(path), { recursive: true })
  await writeFile(
    path,
    Buffer.concat([
      encodeBasicInfo(sidecar.info),
      ...sidecar.before.flatMap(part),
      // Only marks the place: the data is elsewhere.
      encodePartHeader({ id: STREAM.data, size: 0 }),
      ...sidecar.after.flatMap(part),
    ]),
  )
}

function attributesOf(stat: Stats): number {
  if (stat.isDirectory()) return ATTRIBUTE.directory
  return stat.isSymbolicLink() ? ATTRIBUTE.archive | ATTRIBUTE.reparsePoint : ATTRIBUTE.archive
}

/** What a file without a sidecar has. */
export function infoOfStat(stat: Stats): FileBasicInfo {
  const time = (ms: number) => filetimeOf(BigInt(Math.round(ms * 1e4)) * 100n)
  return {
    creation: time(stat.birthtimeMs),
    lastAccess: time(stat.atimeMs),
    lastWrite: time(stat.mtimeMs),
    change: time(stat.ctimeMs),
    attributes: attributesOf(stat),
  }
}

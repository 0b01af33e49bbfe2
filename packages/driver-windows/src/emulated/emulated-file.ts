import { type FileHandle, lstat, lutimes, open, rm, symlink, writeFile } from 'node:fs/promises'
import { LayerError } from '@varve/core'
import type { WinFile } from '@varve/sys'
import { BackupReader, encodePartHeader, STREAM } from '../codec/backup-stream.ts'
import { ATTRIBUTE, type FileBasicInfo } from '../codec/file-info.ts'
import { tarTimeOf, unixNanoseconds } from '../codec/filetime.ts'
import { parseReparsePoint } from '../codec/reparse-point.ts'
import { fault } from './fault.ts'
import type { Place } from './place.ts'
import { createPushed, type Pushed } from './pushed.ts'
import {
  infoOfStat,
  LARGEST_PART,
  readSidecar,
  type Sidecar,
  type SidecarPart,
  writeSidecar,
} from './sidecar.ts'

const CHUNK = 256 * 1024

/** @param stream an alternate one, as `:name` */
export async function openEmulatedFile(
  place: Place,
  access: 'create' | 'read' | 'write',
  hasData = true,
  stream?: string,
): Promise<WinFile> {
  if (access === 'create') {
    const handle = await open(place.data, 'wx', 0o644)
    const sidecar = { info: infoOfStat(await handle.stat()), before: [], after: [] }
    return new EmulatedFile(place, handle, sidecar, true, undefined)
  }
  const sidecar = await readSidecar(place.meta, await lstat(place.data))
  const suffix = stream && `${stream.replace(/:\$DATA$/, '')}:$DATA`
  if (suffix && !alternatesOf(sidecar).some(({ header }) => header.name === suffix)) {
    throw fault('ENOENT', 'open', place.data + stream)
  }
  const handle = !hasData ? undefined : await open(place.data, access === 'read' ? 'r' : 'r+')
  return new EmulatedFile(place, handle, sidecar, access === 'write', suffix)
}

function alternatesOf(sidecar: Sidecar): SidecarPart[] {
  return [...sidecar.before, ...sidecar.after].filter(
    ({ header }) => header.id === STREAM.alternate,
  )
}

class EmulatedFile implements WinFile {
  readonly #place: Place
  readonly #handle: FileHandle | undefined
  readonly #alternate: string | undefined
  readonly #mayWrite: boolean
  #sidecar: Sidecar
  #changed: boolean
  #info: FileBasicInfo | undefined
  #restore: Restore | undefined

  constructor(
    place: Place,
    handle: FileHandle | undefined,
    sidecar: Sidecar,
    mayWrite: boolean,
    alternate: string | undefined,
  ) {
    this.#place = place
    this.#handle = handle
    this.#sidecar = sidecar
    this.#mayWrite = mayWrite
    this.#changed = mayWrite
    this.#alternate = alternate
  }

  async info(): Promise<FileBasicInfo> {
    return this.#info ?? this.#sidecar.info
  }

  async setInfo(info: FileBasicInfo): Promise<void> {
    const old = this.#sidecar.info
    // As in Windows, 0 leaves a time as it is.
    this.#info = {
      creation: info.creation || old.creation,
      lastAccess: info.lastAccess || old.lastAccess,
      lastWrite: info.lastWrite || old.lastWrite,
      change: info.change || old.change,
      attributes: info.attributes || old.attributes,
    }
    this.#changed = true
  }

  async *read(): AsyncGenerator<Uint8Array> {
    if (this.#alternate !== undefined) {
      for (const { header, payload } of alternatesOf(this.#sidecar)) {
        if (header.name === this.#alternate) yield payload
      }
      return
    }
    for (let at = 0; this.#handle; ) {
      const buffer = Buffer.allocUnsafe(CHUNK)
      const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#handle?.appendFile(bytes)
  }

  async *backupRead(security: boolean): AsyncGenerator<Uint8Array> {
    const parts = function* (list: readonly SidecarPart[]): Generator<Uint8Array> {
      for (const { header, payload } of list) {
        if (header.id === STREAM.security && !security) continue
        yield encodePartHeader(header)
        if (payload.length > 0) yield payload
      }
    }
    yield* parts(this.#sidecar.before)
    const size = this.#handle ? (await this.#handle.stat()).size : 0
    if (this.#handle) {
      yield encodePartHeader({ id: STREAM.data, size })
      yield* this.read()
    }
    yield* parts(this.#sidecar.after)
  }

  async backupWrite(bytes: Uint8Array, security: boolean): Promise<void> {
    if (!this.#mayWrite) throw fault('EBADF', 'BackupWrite', this.#place.data)
    this.#restore ??= new Restore(this.#handle, security)
    await this.#restore.push(bytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const parts = this.#restore
      await parts?.end()
      if (!this.#changed) return
      this.#sidecar = {
        info: this.#info ?? this.#sidecar.info,
        before: parts?.before ?? this.#sidecar.before,
        after: parts?.after ?? this.#sidecar.after,
      }
      const isLink = (this.#sidecar.info.attributes & ATTRIBUTE.reparsePoint) !== 0
      if (isLink) await this.#becomeLink()
      else await writeSidecar(this.#place.meta, this.#sidecar)
    } finally {
      await this.#handle?.close()
    }
    await showTime(this.#place.data, this.#sidecar.info.lastWrite)
  }

  /** A file or directory that has become a link is one on this system, too. */
  async #becomeLink(): Promise<void> {
    const { data, metaTop } = this.#place
    await rm(data, { recursive: true })
    await rm(metaTop, { recursive: true, force: true })
    const target = targetOf(this.#sidecar)
    if (target === undefined) await writeFile(data, '')
    else await symlink(target, data)
    await writeSidecar(metaTop, this.#sidecar)
  }
}

/** Where a link leads; undefined for other reparse points. */
function targetOf({ before, after }: Sidecar): string | undefined {
  const part = [...before, ...after].find(({ header }) => header.id === STREAM.reparse)
  if (!part) return undefined
  try {
    return parseReparsePoint(part.payload, true).target.replaceAll('\\', '/') || undefined
  } catch (error) {
    if (LayerError.is(error)) return undefined
    throw error
  }
}

/** The time is also this system's, for those who look at the file with its own means. */
async function showTime(path: string, lastWrite: bigint): Promise<void> {
  const { sec, nsec } = tarTimeOf(unixNanoseconds(lastWrite))
  const time = Math.max(0, sec + nsec / 1e9)
  await lutimes(path, time, time)
}

/**
 * Takes a backup stream in pieces, as `BackupWrite` does, and puts its parts where they belong. It
 * cannot know whether more should have come, and neither can that.
 */
class Restore {
  readonly before: SidecarPart[] = []
  readonly after: SidecarPart[] = []
  readonly #pushed: Pushed = createPushed()
  readonly #handle: FileHandle | undefined
  readonly #security: boolean
  readonly #done: Promise<void>

  constructor(handle: FileHandle | undefined, security: boolean) {
    this.#handle = handle
    this.#security = security
    this.#done = this.#run(new BackupReader(this.#pushed))
    // Whoever pushes is told.
    this.#done.catch((error: unknown) => this.#pushed.fail(error))
  }

  async push(bytes: Uint8Array): Promise<void> {
    await this.#pushed.push(bytes)
  }

  async end(): Promise<void> {
    try {
      await this.#pushed.end()
      await this.#done
    } catch (error) {
      if (!LayerError.is(error, 'ERR_TRUNCATED')) throw error
    }
  }

  async #run(reader: BackupReader): Promise<void> {
    let list = this.before
    let inData = false
    for (let header = await reader.next(); header; header = await reader.next()) {
      if (header.id === STREAM.data) {
        list = this.after
        inData = true
        await copyTo(this.#handle, reader, 0)
      } else if (header.id === STREAM.sparseBlock && inData) {
        if (header.size === 0) await this.#handle?.truncate(header.offset)
        await copyTo(this.#handle, reader, header.offset)
      } else {
        inData = false
        const payload = await reader.payload(LARGEST_PART, 'a part of a backup stream')
        if (header.id !== STREAM.security || this.#security) list.push({ header, payload })
      }
    }
  }
}

async function copyTo(
  handle: FileHandle | undefined,
  reader: BackupReader,
  from: number,
): Promise<void> {
  let at = from
  for await (const bytes of reader.data()) {
    await handle?.write(bytes, 0, bytes.length, at)
    at += bytes.length
  }
}

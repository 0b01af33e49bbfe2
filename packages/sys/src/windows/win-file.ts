import { ATTRIBUTE, BASIC_INFO_BYTES, infoBytes, parseInfo } from './basic-info.ts'
import type { FileBasicInfo } from './hcs.ts'
import type { NativeFunction } from './koffi.ts'
import type { Handle, NtFiles } from './nt-files.ts'
import type { WinFile } from './win-fs.ts'

/** `FileBasicInformation` of ntifs.h. */
export const BASIC = 4
const CHUNK = 256 * 1024

/** `BackupRead` and `BackupWrite`. */
export interface Backup {
  readonly read: NativeFunction
  readonly write: NativeFunction
  readonly lastError: NativeFunction
}

/** An open file; what was set of it is set when it is closed. */
export class KoffiFile implements WinFile {
  readonly #nt: NtFiles
  readonly #backup: Backup
  readonly #name: string
  #handle: Handle | undefined
  #info: FileBasicInfo | undefined
  /** What `BackupWrite` keeps between calls. */
  #writing: unknown[] = [null]
  #security = false

  constructor(nt: NtFiles, backup: Backup, name: string, handle: Handle) {
    this.#nt = nt
    this.#backup = backup
    this.#name = name
    this.#handle = handle
  }

  async info(): Promise<FileBasicInfo> {
    return parseInfo(this.#nt.query(this.#open, BASIC, BASIC_INFO_BYTES))
  }

  async setInfo(info: FileBasicInfo): Promise<void> {
    // When it is closed, as writing changes the times.
    this.#info = info
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK)
      const bytes = this.#nt.read(this.#open, buffer)
      if (bytes === 0) return
      yield buffer.subarray(0, bytes)
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#nt.write(this.#open, bytes)
  }

  async *backupRead(security: boolean): AsyncGenerator<Uint8Array> {
    const context: unknown[] = [null]
    const call = (buffer: Buffer | null, abort: number): number => {
      const got = [0]
      const size = buffer?.length ?? 0
      const { read } = this.#backup
      this.#check(
        read(this.#open, buffer, size, got, abort, security ? 1 : 0, context),
        'BackupRead',
      )
      return got[0] as number
    }
    try {
      for (;;) {
        const buffer = Buffer.allocUnsafe(CHUNK)
        const bytes = call(buffer, 0)
        if (bytes === 0) return
        yield buffer.subarray(0, bytes)
      }
    } finally {
      // It has memory of its own until it is told to give it up.
      if (context[0] !== null) call(null, 1)
    }
  }

  async backupWrite(bytes: Uint8Array, security: boolean): Promise<void> {
    this.#security = security
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.subarray(at)
      const written = this.#backupWrite(rest, 0)
      if (written === 0) throw new Error(`BackupWrite takes no more of ${this.#name}`)
      at += written
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) return
    try {
      if (this.#writing[0] !== null) this.#backupWrite(null, 1)
      if (this.#info) {
        const special = ATTRIBUTE.directory | ATTRIBUTE.reparsePoint
        const attributes = this.#info.attributes & ~special || ATTRIBUTE.normal
        this.#nt.set(handle, BASIC, infoBytes({ ...this.#info, attributes }))
      }
    } finally {
      this.#handle = undefined
      this.#nt.close(handle)
    }
  }

  #backupWrite(bytes: Uint8Array | null, abort: number): number {
    const written = [0]
    const { write } = this.#backup
    const size = bytes?.length ?? 0
    const security = this.#security ? 1 : 0
    const ok = write(this.#open, bytes, size, written, abort, security, this.#writing)
    this.#check(ok, 'BackupWrite')
    return written[0] as number
  }

  get #open(): Handle {
    if (this.#handle === undefined) throw new TypeError(`${this.#name} was closed`)
    return this.#handle
  }

  #check(ok: number, syscall: string): void {
    if (ok !== 0) return
    const errno = this.#backup.lastError()
    const message = `EIO: ${syscall} failed (${errno}) '${this.#name}'`
    throw Object.assign(new Error(message), { code: 'EIO', errno, syscall, path: this.#name })
  }
}

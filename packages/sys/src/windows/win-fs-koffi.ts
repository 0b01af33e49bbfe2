import type { FileBasicInfo } from './hcs.ts'
import { parseInfo } from './hcs-koffi.ts'
import type { Koffi, Library, NativeFunction } from './koffi.ts'
import { ACCESS, type Handle, type NtFiles, OPTION } from './nt-files.ts'
import type { WinFile, WinFs, WinRoot, WinStat } from './win-fs.ts'

/** `FILE_INFORMATION_CLASS` of ntifs.h, and sizes of what they give. */
const BASIC = { kind: 4, bytes: 40 } as const
const STANDARD = { kind: 5, bytes: 24 } as const
const INTERNAL = { kind: 6, bytes: 8 } as const
const LINK = 11
const DISPOSITION = 13
const DIRECTORY = 0x10
const REPARSE_POINT = 0x400
const CHUNK = 256 * 1024

/** `BackupRead` and `BackupWrite`. */
interface Backup {
  readonly read: NativeFunction
  readonly write: NativeFunction
  readonly lastError: NativeFunction
}

/**
 * Windows' files by handles relative to a root, never through a reparse point.
 *
 * @param backup the library with `BackupRead` and `BackupWrite`: kernel32.dll
 */
export function bindWinFs(koffi: Koffi, nt: NtFiles, backup: Library, kernel32: Library): WinFs {
  const context = koffi.inout(koffi.pointer('void *'))
  const got = koffi.out(koffi.pointer('uint32'))
  const args = ['intptr_t', 'void *', 'uint32', got, 'int', 'int', context]
  const calls: Backup = {
    read: backup.func('BackupRead', 'int', args),
    write: backup.func('BackupWrite', 'int', args),
    lastError: kernel32.func('GetLastError', 'uint32', []),
  }
  const volumeOf = kernel32.func('GetVolumePathNameW', 'int', ['str16', 'void *', 'uint32'])
  const information = kernel32.func('GetVolumeInformationW', 'int', [
    'str16',
    'void *',
    'uint32',
    'void *',
    'void *',
    'void *',
    'void *',
    'uint32',
  ])
  return {
    caseSensitive: false,
    openRoot: async (path) => {
      const handle = nt.open(0, ntPath(path), ACCESS.listDirectory, OPTION.directory)
      return new Root(nt, calls, path, handle)
    },
    async fileSystemOf(path) {
      const volume = Buffer.alloc(2 * 1024)
      if (volumeOf(path, volume, 1024) === 0) return undefined
      const name = Buffer.alloc(2 * 64)
      const found = information(textOf(volume), null, 0, null, null, null, name, 64)
      return found === 0 ? undefined : textOf(name)
    },
  }
}

const textOf = (buffer: Buffer): string => buffer.toString('utf16le').split('\0', 1)[0] ?? ''

/** A path in the system's own form, which takes names as they are. */
function ntPath(path: string): string {
  if (path.startsWith('\\\\?\\')) return `\\??\\${path.slice(4)}`
  if (path.startsWith('\\\\')) return `\\??\\UNC\\${path.slice(2)}`
  return `\\??\\${path.replaceAll('/', '\\')}`
}

class Root implements WinRoot {
  readonly path: string
  readonly #nt: NtFiles
  readonly #backup: Backup
  #handle: Handle | undefined

  constructor(nt: NtFiles, backup: Backup, path: string, handle: Handle) {
    this.#nt = nt
    this.#backup = backup
    this.path = path
    this.#handle = handle
  }

  async mkdir(name: string): Promise<void> {
    this.#nt.close(this.#nt.create(this.#root, name, ACCESS.readAttributes, OPTION.directory))
  }

  async create(name: string): Promise<WinFile> {
    const handle = this.#privileged((access) =>
      this.#nt.create(this.#root, name, access, OPTION.notDirectory),
    )
    return new File(this.#nt, this.#backup, name, handle)
  }

  async open(name: string, access: 'read' | 'write'): Promise<WinFile> {
    const handle =
      access === 'write'
        ? this.#privileged((mask) => this.#nt.open(this.#root, name, mask, 0))
        : this.#nt.open(this.#root, name, ACCESS.genericRead, 0)
    return new File(this.#nt, this.#backup, name, handle)
  }

  async stat(name: string): Promise<WinStat | undefined> {
    let handle: Handle
    try {
      handle = this.#nt.open(this.#root, name, ACCESS.readAttributes, 0)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
    try {
      const info = parseInfo(this.#nt.query(handle, BASIC.kind, BASIC.bytes))
      const standard = this.#nt.query(handle, STANDARD.kind, STANDARD.bytes)
      const id = this.#nt.query(handle, INTERNAL.kind, INTERNAL.bytes).toString('hex')
      const size = Number(standard.readBigInt64LE(8))
      return { info, size, links: standard.readUInt32LE(16), id }
    } finally {
      this.#nt.close(handle)
    }
  }

  async list(name: string): Promise<readonly string[]> {
    const handle =
      name === ''
        ? this.#nt.open(0, ntPath(this.path), ACCESS.listDirectory, OPTION.directory)
        : this.#nt.open(this.#root, name, ACCESS.listDirectory, OPTION.directory)
    try {
      return this.#nt.list(handle)
    } finally {
      this.#nt.close(handle)
    }
  }

  async link(name: string, target: string, targetRoot: WinRoot = this): Promise<void> {
    const from = (targetRoot as Root).#root
    const handle = this.#nt.open(from, target, ACCESS.writeAttributes, 0)
    try {
      // FILE_LINK_INFORMATION: replace, root, length, name.
      const text = Buffer.from(name, 'utf16le')
      const data = Buffer.alloc(20 + text.length)
      data.writeBigInt64LE(BigInt(this.#root), 8)
      data.writeUInt32LE(text.length, 16)
      text.copy(data, 20)
      this.#nt.set(handle, LINK, data)
    } finally {
      this.#nt.close(handle)
    }
  }

  async remove(name: string): Promise<void> {
    const handle = this.#nt.open(this.#root, name, ACCESS.delete, 0)
    try {
      this.#nt.set(handle, DISPOSITION, Uint8Array.of(1))
    } finally {
      this.#nt.close(handle)
    }
  }

  async removeAll(name: string): Promise<void> {
    const stat = await this.stat(name)
    if (stat === undefined) return
    const { attributes } = stat.info
    if ((attributes & (DIRECTORY | REPARSE_POINT)) === DIRECTORY) {
      for (const child of await this.list(name)) await this.removeAll(`${name}\\${child}`)
    }
    await this.remove(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    if (handle !== undefined) this.#nt.close(handle)
  }

  get #root(): Handle {
    if (this.#handle === undefined) throw new TypeError(`${this.path} was closed`)
    return this.#handle
  }

  /** With the right to set security, if the process has the privilege. */
  #privileged(open: (access: number) => Handle): Handle {
    const access = ACCESS.genericRead | ACCESS.genericWrite | ACCESS.writeDac | ACCESS.writeOwner
    try {
      return open(access | ACCESS.systemSecurity)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
      return open(access)
    }
  }
}

class File implements WinFile {
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
    return parseInfo(this.#nt.query(this.#open, BASIC.kind, BASIC.bytes))
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
        const data = Buffer.alloc(BASIC.bytes)
        const { creation, lastAccess, lastWrite, change, attributes } = this.#info
        for (const [i, time] of [creation, lastAccess, lastWrite, change].entries()) {
          data.writeBigInt64LE(time, i * 8)
        }
        data.writeUInt32LE(attributes & ~(DIRECTORY | REPARSE_POINT) || 0x80, 32)
        this.#nt.set(handle, BASIC.kind, data)
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

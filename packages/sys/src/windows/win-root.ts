import { ATTRIBUTE, BASIC_INFO_BYTES, infoBytes, parseInfo } from './basic-info.ts'
import { ACCESS, type Handle, type NtFiles, OPTION } from './nt-files.ts'
import { BASIC, type Backup, KoffiFile } from './win-file.ts'
import type { WinFile, WinRoot, WinStat } from './win-fs.ts'

/** `FILE_INFORMATION_CLASS` of ntifs.h, and sizes of what they give. */
const STANDARD = { kind: 5, bytes: 24 } as const
const INTERNAL = { kind: 6, bytes: 8 } as const
const LINK = 11
const DISPOSITION = 13
const DELETE = Uint8Array.of(1)
/** `STATUS_CANNOT_DELETE` of ntstatus.h, as a signed number: the file is read-only. */
const CANNOT_DELETE = 0xc0000121 | 0
/** Times of 0 leave those of the file as they are. */
const UNCHANGED = { creation: 0n, lastAccess: 0n, lastWrite: 0n, change: 0n } as const

/** A path in the system's own form, which takes names as they are. */
export function ntPath(path: string): string {
  if (path.startsWith('\\\\?\\')) return `\\??\\${path.slice(4)}`
  if (path.startsWith('\\\\')) return `\\??\\UNC\\${path.slice(2)}`
  return `\\??\\${path.replaceAll('/', '\\')}`
}

/** Files by handles relative to a directory's, never through a reparse point. */
export class KoffiRoot implements WinRoot {
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
    return new KoffiFile(this.#nt, this.#backup, name, handle)
  }

  async open(name: string, access: 'read' | 'write'): Promise<WinFile> {
    const handle =
      access === 'write'
        ? this.#privileged((mask) => this.#nt.open(this.#root, name, mask, 0))
        : this.#nt.open(this.#root, name, ACCESS.genericRead, 0)
    return new KoffiFile(this.#nt, this.#backup, name, handle)
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
      const info = parseInfo(this.#nt.query(handle, BASIC, BASIC_INFO_BYTES))
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
    const from = (targetRoot as KoffiRoot).#root
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
      this.#nt.set(handle, DISPOSITION, DELETE)
    } catch (error) {
      if ((error as { status?: number }).status !== CANNOT_DELETE) throw error
      this.#removeReadOnly(name)
    } finally {
      this.#nt.close(handle)
    }
  }

  /** Other names of the file stay read-only. */
  #removeReadOnly(name: string): void {
    const access = ACCESS.delete | ACCESS.readAttributes | ACCESS.writeAttributes
    const handle = this.#nt.open(this.#root, name, access, 0)
    try {
      const { attributes } = parseInfo(this.#nt.query(handle, BASIC, BASIC_INFO_BYTES))
      const become = (changed: number) =>
        this.#nt.set(handle, BASIC, infoBytes({ ...UNCHANGED, attributes: changed }))
      become(attributes & ~ATTRIBUTE.readOnly || ATTRIBUTE.normal)
      this.#nt.set(handle, DISPOSITION, DELETE)
      become(attributes)
    } finally {
      this.#nt.close(handle)
    }
  }

  async removeAll(name: string): Promise<void> {
    const stat = await this.stat(name)
    if (stat === undefined) return
    const { attributes } = stat.info
    if ((attributes & (ATTRIBUTE.directory | ATTRIBUTE.reparsePoint)) === ATTRIBUTE.directory) {
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

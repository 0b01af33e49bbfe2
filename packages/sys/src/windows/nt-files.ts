import { assertSize, type Koffi, type Library, type NativeFunction } from './koffi.ts'

/** An open handle. */
export type Handle = number | bigint

/** `ACCESS_MASK` bits of winnt.h. */
export const ACCESS = {
  listDirectory: 0x1,
  readAttributes: 0x80,
  writeAttributes: 0x100,
  delete: 0x10000,
  readControl: 0x20000,
  writeDac: 0x40000,
  writeOwner: 0x80000,
  synchronize: 0x100000,
  systemSecurity: 0x1000000,
  genericWrite: 0x40000000,
  genericRead: 0x80000000,
} as const

/** `NtCreateFile`'s dispositions and options (ntifs.h). */
const DISPOSITION = { open: 1, create: 2 } as const
export const OPTION = {
  directory: 0x1,
  synchronous: 0x20,
  notDirectory: 0x40,
  backup: 0x4000,
  reparsePoint: 0x200000,
} as const
const SHARE_ALL = 7
/** Names do not depend on case, and none leads through a reparse point (ntdef.h). */
const OBJECT = { caseInsensitive: 0x40, dontReparse: 0x1000 } as const

/** `NTSTATUS` values of ntstatus.h. */
export const STATUS = {
  noMoreFiles: 0x80000006,
  endOfFile: 0xc0000011,
  reparsePointEncountered: 0xc000050b,
  privilegeNotHeld: 0xc0000061,
} as const

/** How `node:fs` calls what Windows says (winerror.h). */
const CODES: Readonly<Record<number, string>> = {
  2: 'ENOENT',
  3: 'ENOENT',
  5: 'EACCES',
  32: 'EBUSY',
  80: 'EEXIST',
  112: 'ENOSPC',
  145: 'ENOTEMPTY',
  183: 'EEXIST',
  267: 'ENOTDIR',
  1314: 'EPERM',
}

/** The calls of ntdll.dll on files. All are synchronous and fail with errors as of `node:fs`. */
export interface NtFiles {
  /** @param root a directory's handle, or 0 for a whole path as `\??\C:\x` */
  open(root: Handle, name: string, access: number, options: number): Handle
  create(root: Handle, name: string, access: number, options: number): Handle
  close(handle: Handle): void
  /** Bytes read; 0 at the end. */
  read(handle: Handle, buffer: Uint8Array): number
  write(handle: Handle, bytes: Uint8Array): void
  query(handle: Handle, kind: number, bytes: number): Buffer
  set(handle: Handle, kind: number, data: Uint8Array): void
  /** Names in a directory, but for `.` and `..`. */
  list(handle: Handle): string[]
  /** Turns a privilege of the process on or off; gives what it was. */
  adjustPrivilege(number: number, on: boolean): boolean
}

/** Binds ntdll.dll. */
export function bindNtFiles(koffi: Koffi, ntdll: Library): NtFiles {
  const string = koffi.struct({ length: 'uint16', maximum: 'uint16', buffer: 'str16' })
  assertSize(koffi, 'UNICODE_STRING', string, 16)
  const attributes = koffi.struct({
    length: 'uint32',
    root: 'intptr_t',
    name: koffi.pointer(string),
    attributes: 'uint32',
    security: 'void *',
    quality: 'void *',
  })
  assertSize(koffi, 'OBJECT_ATTRIBUTES', attributes, 48)
  const ntStatus = (name: string, args: readonly unknown[]) => ntdll.func(name, 'int32', args)
  const p = 'void *'
  const h = 'intptr_t'
  const u = 'uint32'
  const out = (type: unknown) => koffi.out(koffi.pointer(type))
  const createFile = ntStatus('NtCreateFile', [
    out(h),
    u,
    koffi.pointer(attributes),
    p,
    p,
    u,
    u,
    u,
    u,
    p,
    u,
  ])
  const close = ntStatus('NtClose', [h])
  const readFile = ntStatus('NtReadFile', [h, h, p, p, p, p, u, p, p])
  const writeFile = ntStatus('NtWriteFile', [h, h, p, p, p, p, u, p, p])
  const query = ntStatus('NtQueryInformationFile', [h, p, p, u, u])
  const set = ntStatus('NtSetInformationFile', [h, p, p, u, u])
  const directory = ntStatus('NtQueryDirectoryFile', [h, h, p, p, p, p, u, u, 'uint8', p, 'uint8'])
  const adjust = ntStatus('RtlAdjustPrivilege', [u, 'uint8', 'uint8', out('uint8')])
  const toError = ntdll.func('RtlNtStatusToDosError', u, ['int32'])
  const check = (status: number, syscall: string, path: string): void => {
    if (status < 0) throw failure(status, toError, syscall, path)
  }
  const openWith = (
    root: Handle,
    name: string,
    access: number,
    disposition: number,
    options: number,
  ): Handle => {
    const handle: Handle[] = [0]
    const object = {
      length: 48,
      root,
      name: { length: name.length * 2, maximum: name.length * 2, buffer: name },
      attributes: OBJECT.caseInsensitive | (root === 0 ? 0 : OBJECT.dontReparse),
      security: null,
      quality: null,
    }
    const status = createFile(
      handle,
      (access | ACCESS.synchronize) >>> 0,
      object,
      Buffer.alloc(16),
      null,
      0x80,
      SHARE_ALL,
      disposition,
      options | OPTION.synchronous | OPTION.backup | OPTION.reparsePoint,
      null,
      0,
    )
    check(status, 'NtCreateFile', name)
    return handle[0] as Handle
  }
  return {
    open: (root, name, access, options) => openWith(root, name, access, DISPOSITION.open, options),
    create: (root, name, access, options) =>
      openWith(root, name, access, DISPOSITION.create, options),
    close: (handle) => check(close(handle), 'NtClose', ''),
    read(handle, buffer) {
      const block = Buffer.alloc(16)
      const status = readFile(handle, 0, null, null, block, buffer, buffer.length, null, null)
      if (status >>> 0 === STATUS.endOfFile) return 0
      check(status, 'NtReadFile', '')
      return Number(block.readBigUInt64LE(8))
    },
    write(handle, bytes) {
      const block = Buffer.alloc(16)
      const status = writeFile(handle, 0, null, null, block, bytes, bytes.length, null, null)
      check(status, 'NtWriteFile', '')
    },
    query(handle, kind, bytes) {
      const buffer = Buffer.alloc(bytes)
      check(query(handle, Buffer.alloc(16), buffer, bytes, kind), 'NtQueryInformationFile', '')
      return buffer
    },
    set(handle, kind, data) {
      const status = set(handle, Buffer.alloc(16), data, data.length, kind)
      check(status, 'NtSetInformationFile', '')
    },
    list(handle) {
      const names: string[] = []
      for (let first = 1; ; first = 0) {
        const buffer = Buffer.alloc(64 * 1024)
        const status = directory(
          handle,
          0,
          null,
          null,
          Buffer.alloc(16),
          buffer,
          buffer.length,
          NAMES_INFORMATION,
          0,
          null,
          first,
        )
        if (status >>> 0 === STATUS.noMoreFiles) return names
        check(status, 'NtQueryDirectoryFile', '')
        names.push(...namesOf(buffer))
      }
    },
    adjustPrivilege(number, on) {
      const was = [0]
      check(adjust(number, on ? 1 : 0, 0, was), 'RtlAdjustPrivilege', String(number))
      return was[0] !== 0
    },
  }
}

/** `FileNamesInformation`: next entry, index, length of the name, the name (ntifs.h). */
const NAMES_INFORMATION = 12

function namesOf(buffer: Buffer): string[] {
  const names: string[] = []
  for (let at = 0; ; ) {
    const length = buffer.readUInt32LE(at + 8)
    const name = buffer.toString('utf16le', at + 12, at + 12 + length)
    if (name !== '.' && name !== '..') names.push(name)
    const next = buffer.readUInt32LE(at)
    if (next === 0) return names
    at += next
  }
}

function failure(status: number, toError: NativeFunction, syscall: string, path: string): Error {
  const reparse = status >>> 0 === STATUS.reparsePointEncountered
  const win32 = reparse ? 267 : toError(status)
  const code = CODES[win32] ?? 'EIO'
  const shown = (status >>> 0).toString(16)
  const message = `${code}: ${syscall} failed (0x${shown})${path === '' ? '' : ` '${path}'`}`
  return Object.assign(new Error(message), { code, errno: win32, syscall, path, status })
}

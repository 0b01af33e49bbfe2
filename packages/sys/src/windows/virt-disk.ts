import { copyFile } from 'node:fs/promises'
import type { Koffi, Library, NativeFunction } from './koffi.ts'
import type { Handle, NtFiles } from './nt-files.ts'
import type { VirtDisk } from './win-fs.ts'

/** `VIRTUAL_STORAGE_TYPE_DEVICE_UNKNOWN` and `OPEN_VIRTUAL_DISK_PARAMETERS` (virtdisk.h). */
const STORAGE_TYPE_BYTES = 20
const OPEN_PARAMETERS_BYTES = 28
const OPEN_VERSION = 2
/** `ATTACH_VIRTUAL_DISK_FLAG_BYPASS_DEFAULT_ENCRYPTION_POLICY` (virtdisk.h). */
const BYPASS_ENCRYPTION_POLICY = 0x20

/** Control codes of winioctl.h. */
const CONTROL = { diskGetLengthInfo: 0x7405c, extendVolume: 0x900f0 } as const
/** `CreateFileW`'s access, sharing and disposition (winnt.h, fileapi.h). */
const READ_WRITE = 0xc0000000
const SHARE_READ_WRITE = 3
const OPEN_EXISTING = 3
const INVALID_HANDLE = -1

/** `ERROR_CALL_NOT_IMPLEMENTED` (winerror.h). */
const NOT_IMPLEMENTED = 120

/**
 * Binds virtdisk.dll when it is first needed, and the calls of kernel32.dll on volumes.
 *
 * @param path of virtdisk.dll
 */
export function bindVirtDisk(koffi: Koffi, nt: NtFiles, kernel32: Library, path: string): VirtDisk {
  let disks: Disks | undefined
  const opened = (disk: string): [Disks, Handle] => {
    disks ??= bindDisks(koffi, koffi.load(path))
    const handle: Handle[] = [0]
    const parameters = Buffer.alloc(OPEN_PARAMETERS_BYTES)
    parameters.writeUInt32LE(OPEN_VERSION)
    const type = Buffer.alloc(STORAGE_TYPE_BYTES)
    check(disks.open(type, disk, 0, 0, parameters, handle), 'OpenVirtualDisk', disk)
    return [disks, handle[0] as Handle]
  }
  const volumes = bindVolumes(koffi, nt, kernel32)
  return {
    async detach(disk) {
      const [{ detach }, handle] = opened(disk)
      try {
        check(detach(handle, 0, 0), 'DetachVirtualDisk', disk)
      } finally {
        nt.close(handle)
      }
    },
    async attach(disk) {
      try {
        const [{ attach }, handle] = opened(disk)
        try {
          const flags = BYPASS_ENCRYPTION_POLICY
          check(attach(handle, null, flags, 0, null, null), 'AttachVirtualDisk', disk)
        } catch (error) {
          nt.close(handle)
          throw error
        }
        // The disk is attached for as long as its handle is open.
        return { [Symbol.asyncDispose]: async () => nt.close(handle) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).errno === NOT_IMPLEMENTED) return undefined
        throw error
      }
    },
    copy: (from, to) => copyFile(from, to),
    ...volumes,
  }
}

interface Disks {
  readonly open: NativeFunction
  readonly attach: NativeFunction
  readonly detach: NativeFunction
}

function bindDisks(koffi: Koffi, library: Library): Disks {
  const handle = koffi.out(koffi.pointer('intptr_t'))
  const [h, p, u] = ['intptr_t', 'void *', 'uint32']
  return {
    open: library.func('OpenVirtualDisk', u, [p, 'str16', u, u, p, handle]),
    attach: library.func('AttachVirtualDisk', u, [h, p, u, u, p, p]),
    detach: library.func('DetachVirtualDisk', u, [h, u, u]),
  }
}

function bindVolumes(
  koffi: Koffi,
  nt: NtFiles,
  kernel32: Library,
): Pick<VirtDisk, 'sizesOf' | 'extend'> {
  const [h, p, u] = ['intptr_t', 'void *', 'uint32']
  const createFile = kernel32.func('CreateFileW', h, ['str16', u, u, p, u, u, h])
  const control = kernel32.func('DeviceIoControl', 'int', [h, u, p, u, p, u, p, p])
  const total = koffi.out(koffi.pointer('uint64'))
  const freeSpace = kernel32.func('GetDiskFreeSpaceExW', 'int', ['str16', p, total, p])
  const lastError = kernel32.func('GetLastError', u, [])
  const ask = (volume: string, code: number, input: Buffer | null, output: Buffer | null): void => {
    const handle = createFile(volume, READ_WRITE, SHARE_READ_WRITE, null, OPEN_EXISTING, 0, 0)
    if (handle === INVALID_HANDLE) throw failure(lastError(), 'CreateFile', volume)
    try {
      const [given, taken] = [input?.length ?? 0, output?.length ?? 0]
      const done = control(handle, code, input, given, output, taken, Buffer.alloc(4), null)
      if (done === 0) throw failure(lastError(), 'DeviceIoControl', volume)
    } finally {
      nt.close(handle)
    }
  }
  return {
    async sizesOf(volume) {
      const length = Buffer.alloc(8)
      ask(volume, CONTROL.diskGetLengthInfo, null, length)
      const size: (number | bigint)[] = [0]
      if (freeSpace(`${volume}\\`, null, size, null) === 0) {
        throw failure(lastError(), 'GetDiskFreeSpaceEx', volume)
      }
      return { partition: length.readBigInt64LE(), fileSystem: BigInt(size[0] as number) }
    },
    async extend(volume, sectors) {
      const wanted = Buffer.alloc(8)
      wanted.writeBigInt64LE(sectors)
      ask(volume, CONTROL.extendVolume, wanted, null)
    },
  }
}

/** Calls of virtdisk.dll return a code of Windows, 0 for none. */
function check(errno: number, syscall: string, path: string): void {
  if (errno !== 0) throw failure(errno, syscall, path)
}

function failure(errno: number, syscall: string, path: string): Error {
  const code = errno === SHARING_VIOLATION ? 'EBUSY' : 'EIO'
  const message = `${code}: ${syscall} failed (${errno}) '${path}'`
  return Object.assign(new Error(message), { code, errno, syscall, path })
}

/** `ERROR_SHARING_VIOLATION` (winerror.h). */
const SHARING_VIOLATION = 32

import type { Koffi, Library } from './koffi.ts'
import { ACCESS, type NtFiles, OPTION } from './nt-files.ts'
import type { Backup } from './win-file.ts'
import type { WinFs } from './win-fs.ts'
import { KoffiRoot, ntPath } from './win-root.ts'

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
      return new KoffiRoot(nt, calls, path, handle)
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

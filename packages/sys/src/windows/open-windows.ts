import process from 'node:process'
import type { Hcs } from './hcs.ts'
import { bindHcs } from './hcs-koffi.ts'
import { loadKoffi } from './koffi.ts'
import { bindNtFiles, type NtFiles } from './nt-files.ts'
import { bindVirtDisk } from './virt-disk.ts'
import type { Privilege, Privileges, VirtDisk, WinFs } from './win-fs.ts'
import { bindWinFs } from './win-fs-koffi.ts'

/** Which libraries {@link openWindows} binds; by their names, if they are not given. */
export interface WindowsLibraries {
  readonly vmcompute?: string
  /** The one with `BackupRead` and `BackupWrite`. Default kernel32.dll. */
  readonly backup?: string
  readonly virtdisk?: string
  /** The one with the calls on files. Default ntdll.dll. */
  readonly ntdll?: string
}

/** Windows' own services, bound. */
export interface WindowsCalls {
  readonly hcs: Hcs
  readonly fs: WinFs
  readonly virtDisk: VirtDisk
  readonly privileges: Privileges
}

/**
 * Binds what Windows layers need of Windows: the host compute service, files with all that they
 * have, virtual disks, privileges.
 *
 * @throws Error on other systems, and where a library is missing
 */
export function openWindows(libraries: WindowsLibraries = {}): WindowsCalls {
  if (process.platform !== 'win32') throw new Error(`${process.platform} is not Windows`)
  const koffi = loadKoffi()
  const nt = bindNtFiles(koffi, koffi.load(libraries.ntdll ?? 'ntdll.dll'))
  const kernel32 = koffi.load('kernel32.dll')
  const backup = libraries.backup === undefined ? kernel32 : koffi.load(libraries.backup)
  const vmcompute = koffi.load(libraries.vmcompute ?? 'vmcompute.dll')
  return {
    hcs: bindHcs(koffi, vmcompute, koffi.load('ole32.dll')),
    fs: bindWinFs(koffi, nt, backup, kernel32),
    virtDisk: bindVirtDisk(koffi, nt, kernel32, libraries.virtdisk ?? 'virtdisk.dll'),
    privileges: bindPrivileges(nt),
  }
}

/** `SE_*_PRIVILEGE` of ntifs.h. */
const NUMBERS: Readonly<Record<Privilege, number>> = {
  SeSecurityPrivilege: 8,
  SeBackupPrivilege: 17,
  SeRestorePrivilege: 18,
}

/** They are counted: whoever comes last turns them off, if they were off. */
function bindPrivileges(nt: NtFiles): Privileges {
  const users = new Map<Privilege, { count: number; readonly was: boolean }>()
  const release = (name: Privilege): void => {
    const held = users.get(name)
    if (!held || --held.count > 0) return
    users.delete(name)
    if (!held.was) nt.adjustPrivilege(NUMBERS[name], false)
  }
  return {
    async with(names, work) {
      const taken: Privilege[] = []
      try {
        for (const name of names) {
          const held = users.get(name)
          if (held) held.count++
          else users.set(name, { count: 1, was: nt.adjustPrivilege(NUMBERS[name], true) })
          taken.push(name)
        }
        return await work()
      } finally {
        for (const name of taken) release(name)
      }
    },
  }
}

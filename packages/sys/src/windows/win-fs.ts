import type { FileBasicInfo } from './hcs.ts'

/** What is known of a file without opening it. */
export interface WinStat {
  readonly info: FileBasicInfo
  /** Bytes of its data. */
  readonly size: number
  readonly links: number
  /** The same for all names of one file. */
  readonly id: string
}

/** An open file or directory. Disposing of it closes it and throws what that throws. */
export interface WinFile extends AsyncDisposable {
  info(): Promise<FileBasicInfo>
  setInfo(info: FileBasicInfo): Promise<void>
  /** Its data, or that of the alternate stream it was opened by. */
  read(): AsyncGenerator<Uint8Array>
  /** Appends to its data. */
  write(bytes: Uint8Array): Promise<void>
  /** `BackupRead`. */
  backupRead(security: boolean): AsyncGenerator<Uint8Array>
  /** `BackupWrite`: the next bytes of its backup stream. */
  backupWrite(bytes: Uint8Array, security: boolean): Promise<void>
}

/**
 * A directory that all names are relative to. Names have backslashes; none leads through a link or
 * any other reparse point (`ENOTDIR`), and what they end in is never followed.
 */
export interface WinRoot extends AsyncDisposable {
  readonly path: string
  /** @throws `EEXIST` */
  mkdir(name: string): Promise<void>
  /** A new file, open for writing. @throws `EEXIST`, `ENOENT` */
  create(name: string): Promise<WinFile>
  /** @throws `ENOENT` */
  open(name: string, access: 'read' | 'write'): Promise<WinFile>
  /** Undefined if there is none. */
  stat(name: string): Promise<WinStat | undefined>
  /** Names in a directory, in no order. */
  list(name: string): Promise<readonly string[]>
  /** One more name for a file of this or another root. */
  link(name: string, target: string, targetRoot?: WinRoot): Promise<void>
  /** A file, an empty directory or a link. @throws `ENOENT`, `ENOTEMPTY` */
  remove(name: string): Promise<void>
  /** With all that is in it; nothing if there is none. */
  removeAll(name: string): Promise<void>
}

/** Files as Windows has them: with attributes, security, streams, and backup. */
export interface WinFs {
  /** Whether `a` and `A` are two files. */
  readonly caseSensitive: boolean
  openRoot(path: string): Promise<WinRoot>
  /** The name of the volume's file system, as `NTFS`; undefined if that cannot be told. */
  fileSystemOf(path: string): Promise<string | undefined>
}

/** Virtual disks. */
export interface VirtDisk {
  /** Takes a disk away from the system that a dead owner had attached. */
  detach(path: string): Promise<void>
  /**
   * Shows a disk's volume until disposed of; undefined where there are no virtual disks.
   *
   * @throws `EBUSY` if somebody else has it
   */
  attach(path: string): Promise<AsyncDisposable | undefined>
  /**
   * Bytes of the partition that a volume lies in, and of the volume's own file system.
   *
   * @param volume as `\\\\?\\Volume{…}`, without a backslash behind
   */
  sizesOf(volume: string): Promise<{ readonly partition: bigint; readonly fileSystem: bigint }>
  /** Gives a disk what another one has; nobody may have either. @throws `EBUSY` */
  copy(from: string, to: string): Promise<void>
  /** `FSCTL_EXTEND_VOLUME`. @param sectors how many of 512 bytes it is to have in all */
  extend(volume: string, sectors: bigint): Promise<void>
}

/** Privileges of the process; they cannot be those of a thread, as calls change threads. */
export interface Privileges {
  /** Runs `work` with them turned on. */
  with<T>(names: readonly Privilege[], work: () => Promise<T>): Promise<T>
}

/** Names of winnt.h. */
export type Privilege = 'SeBackupPrivilege' | 'SeRestorePrivilege' | 'SeSecurityPrivilege'

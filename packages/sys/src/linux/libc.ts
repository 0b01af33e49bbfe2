import { createRequire } from 'node:module'
import process from 'node:process'

/** The C library's functions that are bound here; results below zero mean {@link Libc.errno}. */
export interface Libc {
  openat2(dirfd: number, path: Uint8Array, how: BigUint64Array): number
  openat(dirfd: number, path: Uint8Array, flags: number, mode: number): number
  close(fd: number): number
  mkdirat(dirfd: number, path: Uint8Array, mode: number): number
  mknodat(dirfd: number, path: Uint8Array, mode: number, dev: number): number
  symlinkat(target: Uint8Array, dirfd: number, path: Uint8Array): number
  linkat(a: number, from: Uint8Array, b: number, to: Uint8Array, flags: number): number
  unlinkat(dirfd: number, path: Uint8Array, flags: number): number
  renameat2(a: number, from: Uint8Array, b: number, to: Uint8Array, flags: number): number
  readlinkat(dirfd: number, path: Uint8Array, buffer: Uint8Array, size: number): number
  getdents64(fd: number, buffer: Uint8Array, size: number): number
  statx(dirfd: number, path: Uint8Array, flags: number, mask: number, out: Uint8Array): number
  chmod(path: Uint8Array, mode: number): number
  fchmod(fd: number, mode: number): number
  fchmodat(dirfd: number, path: Uint8Array, mode: number, flags: number): number
  fchown(fd: number, uid: number, gid: number): number
  fchownat(dirfd: number, path: Uint8Array, uid: number, gid: number, flags: number): number
  futimens(fd: number, times: BigInt64Array): number
  utimensat(dirfd: number, path: Uint8Array, times: BigInt64Array, flags: number): number
  fsetxattr(fd: number, name: Uint8Array, value: Uint8Array, size: number, flags: number): number
  setxattr(p: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, f: number): number
  lsetxattr(p: Uint8Array, name: Uint8Array, value: Uint8Array, size: number, f: number): number
  fgetxattr(fd: number, name: Uint8Array, value: Uint8Array, size: number): number
  getxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number): number
  lgetxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, size: number): number
  flistxattr(fd: number, list: Uint8Array, size: number): number
  listxattr(path: Uint8Array, list: Uint8Array, size: number): number
  llistxattr(path: Uint8Array, list: Uint8Array, size: number): number
  fremovexattr(fd: number, name: Uint8Array): number
  removexattr(path: Uint8Array, name: Uint8Array): number
  lremovexattr(path: Uint8Array, name: Uint8Array): number
  read(fd: number, buffer: Uint8Array, size: number): number
  write(fd: number, buffer: Uint8Array, size: number): number
  pread(fd: number, buffer: Uint8Array, size: number, position: number): number
  pwrite(fd: number, buffer: Uint8Array, size: number, position: number): number
  ftruncate(fd: number, size: number): number
  lseek(fd: number, offset: number, whence: number): number
  ioctl(fd: number, request: number, argument: number): number
  quotactl(command: number, device: Uint8Array, id: number, argument: Uint8Array): number
  /** The same with a structure as its argument. */
  ioctlBuffer(fd: number, request: number, argument: Uint8Array): number
  copyFileRange(a: number, aAt: BigInt64Array, b: number, bAt: BigInt64Array, n: number): number
  fsync(fd: number): number
  fdatasync(fd: number): number
  syncfs(fd: number): number
  flock(fd: number, operation: number): number
  fcntl(fd: number, command: number, argument: Uint8Array): number
  mount(from: Uint8Array, to: Uint8Array, type: Uint8Array, flags: number, data: Uint8Array): number
  umount2(target: Uint8Array, flags: number): number
  fsopen(type: Uint8Array, flags: number): number
  fsconfig(
    fd: number,
    command: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    aux: number,
  ): number
  fsmount(fd: number, flags: number, attributes: number): number
  moveMount(a: number, from: Uint8Array, b: number, to: Uint8Array, flags: number): number
  mountSetattr(dirfd: number, path: Uint8Array, flags: number, attributes: BigUint64Array): number
  /** As those of their names, on another thread; give 0 or the errno. */
  fsyncAsync(fd: number): Promise<number>
  syncfsAsync(fd: number): Promise<number>
  ioctlBufferAsync(fd: number, request: number, argument: Uint8Array): Promise<number>
  /** Why the last call of this thread failed. */
  errno(): number
  /** `ENOENT` and the like; `UNKNOWN` for a number that has no name. */
  nameOf(errno: number): string
  /** The system's own words for an errno. */
  messageOf(errno: number): string
}

type Func = (...values: unknown[]) => number
type AsyncFunc = Func & {
  async(...values: unknown[]): void
}
interface Koffi {
  load(path: null): { func(name: string, result: string, args: readonly string[]): AsyncFunc }
  errno(): number
  readonly os: { readonly errno: Readonly<Record<string, number>> }
}

/** System call numbers: `asm/unistd_64.h` of x86_64, `asm-generic/unistd.h` as arm64 uses it. */
const SYSCALLS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  x64: { renameat2: 316, statx: 332, getdents64: 217, copy_file_range: 326 },
  arm64: { renameat2: 276, statx: 291, getdents64: 61, copy_file_range: 285 },
}
/** Newer calls have one number on all architectures. */
const COMMON_SYSCALLS: Readonly<Record<string, number>> = {
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  openat2: 437,
  mount_setattr: 442,
}

/**
 * Binds the C library that this process already uses.
 *
 * @throws whatever keeps it from working: no koffi, no binary of it for this platform, a system
 *   that is not Linux on x86_64 or arm64
 */
export function loadLibc(): Libc {
  const own = process.platform === 'linux' ? SYSCALLS[process.arch] : undefined
  if (!own) throw new Error(`no FFI for ${process.platform} on ${process.arch}`)
  const numbers: Readonly<Record<string, number>> = { ...COMMON_SYSCALLS, ...own }
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  // null, not the library's name: symbols are then looked up as the process itself does, so that
  // a preloaded library (a fault injector, fakeroot) is in the way.
  const library = koffi.load(null)
  const bind = (name: string, args: readonly string[]): AsyncFunc => {
    return library.func(name, RETURNS_SIZE.has(name) ? 'int64_t' : 'int', args)
  }
  // A C library older than the call, or without a wrapper for it, still has `syscall`.
  const bindOrSyscall = (name: string, args: readonly string[]): Func => {
    try {
      return bind(name, args)
    } catch {
      const raw = library.func('syscall', 'long', ['long', ...args])
      const number = numbers[name]
      return (...values) => raw(number, ...values)
    }
  }
  const openat2 = library.func('syscall', 'long', ['long', 'int', P, P, 'size_t'])
  const mountSetattr = bindOrSyscall('mount_setattr', ['int', P, 'uint', P, 'size_t'])
  const copyFileRange = bindOrSyscall('copy_file_range', ['int', P, 'int', P, 'size_t', 'uint'])
  const fsync = bind('fsync', ['int'])
  const syncfs = bind('syncfs', ['int'])
  const ioctlBuffer = bind('ioctl', ['int', 'ulong', P])
  const names = errnoNames(koffi.os.errno)
  const strerror = library.func('strerror', 'str', ['int']) as unknown as (errno: number) => string
  const onThread = (call: AsyncFunc, ...values: unknown[]): Promise<number> =>
    new Promise((resolve, reject) =>
      call.async(...values, (error: unknown, result: number) => {
        if (error) reject(error as Error)
        else resolve(result < 0 ? koffi.errno() : 0)
      }),
    )
  return {
    openat2: (dirfd, path, how) => openat2(numbers.openat2, dirfd, path, how, 24),
    openat: bind('openat', ['int', P, 'int', 'uint']),
    close: bind('close', ['int']),
    mkdirat: bind('mkdirat', ['int', P, 'uint']),
    mknodat: bind('mknodat', ['int', P, 'uint', 'uint64_t']),
    symlinkat: bind('symlinkat', [P, 'int', P]),
    linkat: bind('linkat', ['int', P, 'int', P, 'int']),
    unlinkat: bind('unlinkat', ['int', P, 'int']),
    renameat2: bindOrSyscall('renameat2', ['int', P, 'int', P, 'uint']),
    readlinkat: bind('readlinkat', ['int', P, P, 'size_t']),
    getdents64: bindOrSyscall('getdents64', ['int', P, 'size_t']),
    statx: bindOrSyscall('statx', ['int', P, 'int', 'uint', P]),
    chmod: bind('chmod', [P, 'uint']),
    fchmod: bind('fchmod', ['int', 'uint']),
    fchmodat: bind('fchmodat', ['int', P, 'uint', 'int']),
    fchown: bind('fchown', ['int', 'uint', 'uint']),
    fchownat: bind('fchownat', ['int', P, 'uint', 'uint', 'int']),
    futimens: bind('futimens', ['int', P]),
    utimensat: bind('utimensat', ['int', P, P, 'int']),
    fsetxattr: bind('fsetxattr', ['int', P, P, 'size_t', 'int']),
    setxattr: bind('setxattr', [P, P, P, 'size_t', 'int']),
    lsetxattr: bind('lsetxattr', [P, P, P, 'size_t', 'int']),
    fgetxattr: bind('fgetxattr', ['int', P, P, 'size_t']),
    getxattr: bind('getxattr', [P, P, P, 'size_t']),
    lgetxattr: bind('lgetxattr', [P, P, P, 'size_t']),
    flistxattr: bind('flistxattr', ['int', P, 'size_t']),
    listxattr: bind('listxattr', [P, P, 'size_t']),
    llistxattr: bind('llistxattr', [P, P, 'size_t']),
    fremovexattr: bind('fremovexattr', ['int', P]),
    removexattr: bind('removexattr', [P, P]),
    lremovexattr: bind('lremovexattr', [P, P]),
    read: bind('read', ['int', P, 'size_t']),
    write: bind('write', ['int', P, 'size_t']),
    pread: bind('pread', ['int', P, 'size_t', 'int64_t']),
    pwrite: bind('pwrite', ['int', P, 'size_t', 'int64_t']),
    ftruncate: bind('ftruncate', ['int', 'int64_t']),
    lseek: bind('lseek', ['int', 'int64_t', 'int']),
    ioctl: bind('ioctl', ['int', 'ulong', 'int']),
    quotactl: bind('quotactl', ['int', P, 'uint', P]),
    ioctlBuffer,
    copyFileRange: (a, aAt, b, bAt, n) => copyFileRange(a, aAt, b, bAt, n, 0),
    fsync,
    fdatasync: bind('fdatasync', ['int']),
    syncfs,
    flock: bind('flock', ['int', 'int']),
    fcntl: bind('fcntl', ['int', 'int', P]),
    mount: bind('mount', [P, P, P, 'ulong', P]),
    umount2: bind('umount2', [P, 'int']),
    fsopen: bindOrSyscall('fsopen', [P, 'uint']),
    fsconfig: bindOrSyscall('fsconfig', ['int', 'uint', P, P, 'int']),
    fsmount: bindOrSyscall('fsmount', ['int', 'uint', 'uint']),
    moveMount: bindOrSyscall('move_mount', ['int', P, 'int', P, 'uint']),
    mountSetattr: (dirfd, path, flags, how) =>
      mountSetattr(dirfd, path, flags, how, how.byteLength),
    fsyncAsync: (fd) => onThread(fsync, fd),
    syncfsAsync: (fd) => onThread(syncfs, fd),
    ioctlBufferAsync: (...values) => onThread(ioctlBuffer, ...values),
    errno: () => koffi.errno(),
    nameOf: (errno) => names.get(errno) ?? 'UNKNOWN',
    messageOf: (errno) => strerror(errno).toLowerCase(),
  }
}

const P = 'void *'

/** Functions that return a `ssize_t` or `off_t`; all others return an `int`. */
const RETURNS_SIZE: ReadonlySet<string> = new Set([
  'readlinkat',
  'getdents64',
  'fgetxattr',
  'getxattr',
  'lgetxattr',
  'flistxattr',
  'listxattr',
  'llistxattr',
  'read',
  'write',
  'pread',
  'pwrite',
  'lseek',
  'copy_file_range',
])

function errnoNames(table: Readonly<Record<string, number>>): Map<number, string> {
  const names = new Map<number, string>()
  for (const [name, errno] of Object.entries(table)) names.set(errno, name)
  // Numbers with two names, called as `node:fs` calls them.
  for (const name of ['EAGAIN', 'ENOTSUP']) names.set(table[name] as number, name)
  return names
}

import type { NativeCalls } from '../native-calls.ts'
import type { Context } from './context.ts'

type Safety = Pick<NativeCalls, 'fsync' | 'fdatasync' | 'syncfs' | 'flock' | 'lockRange'>

/** sys/file.h, each with `LOCK_NB`. */
const FLOCK = { shared: 1 | 4, exclusive: 2 | 4, unlock: 8 } as const
/** asm-generic/fcntl.h */
const RANGE_LOCK = { shared: 0, exclusive: 1, unlock: 2 } as const
const F_OFD_SETLK = 37

/** Calls that keep data through a power loss, and processes out of each other's way. */
export function safetyCalls(context: Context): Safety {
  const { libc } = context
  // struct flock: i16 type, i16 whence, pad, i64 start, i64 length, i32 pid (0 for OFD locks)
  const range = new Uint8Array(32)
  const view = new DataView(range.buffer)

  /** A failed sync is never made again: the second would say that all is well. */
  const once = (call: (fd: number) => number, syscall: string) => (fd: number) => {
    if (call(fd) < 0) throw context.error(syscall)
  }
  const taken = (syscall: string): false => {
    const code = context.code()
    if (code === 'EAGAIN' || code === 'EACCES') return false
    throw context.error(syscall)
  }
  return {
    fsync: once(libc.fsync, 'fsync'),
    fdatasync: once(libc.fdatasync, 'fdatasync'),
    syncfs: once(libc.syncfs, 'syncfs'),
    flock: (fd, operation) => libc.flock(fd, FLOCK[operation]) >= 0 || taken('flock'),
    lockRange(fd, start, length, operation) {
      view.setInt16(0, RANGE_LOCK[operation], true)
      view.setBigInt64(8, BigInt(start), true)
      view.setBigInt64(16, BigInt(length), true)
      return libc.fcntl(fd, F_OFD_SETLK, range) >= 0 || taken('fcntl')
    },
  }
}

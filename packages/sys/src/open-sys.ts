import { loadLibc } from './linux/libc.ts'
import { linuxSys } from './linux/linux-sys.ts'
import { portableSys } from './portable/portable-sys.ts'
import type { Sys, SysOptions } from './sys.ts'

/**
 * The system as this process finds it: with the C library's own calls where the FFI works, with
 * what the runtime offers elsewhere. {@link Sys.limits} tells what is missing.
 *
 * Each call binds anew (some milliseconds), so open one and pass it on.
 *
 * @throws whatever keeps the FFI from working, only if it was asked for with `ffi: true`
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openSys } from '@varve/sys'
 *
 * const sys = openSys()
 * const path = join(await mkdtemp(join(tmpdir(), 'sys-')), 'lock')
 * {
 *   using lock = await sys.lockFile(path, { mode: 'exclusive' })
 *   console.assert(lock.mode === 'exclusive' && sys.tryLockFile(path, 'shared') === undefined)
 * }
 * using again = sys.tryLockFile(path, 'shared')
 * console.assert(again !== undefined)
 * ```
 */
export function openSys(options: SysOptions = {}): Sys {
  if (options.ffi === false) return portableSys('the FFI was not wanted')
  try {
    return linuxSys(loadLibc())
  } catch (error) {
    if (options.ffi) throw error
    return portableSys(error instanceof Error ? error.message : String(error))
  }
}

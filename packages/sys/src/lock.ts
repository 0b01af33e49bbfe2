import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { FileLock, LockOptions } from './sys.ts'

/** Takes the lock if it is free. */
export type TryLock = (path: string, mode: FileLock['mode']) => FileLock | undefined

/** Tries that only let other work go first, before any that sleep. */
const EAGER_TRIES = 4
const FIRST_SLEEP_MS = 1
/** So a lock whose holder died is taken again within this and one try. */
const LONGEST_SLEEP_MS = 16

/**
 * Tries until the lock is free or the signal is aborted. Nothing waits inside a system call,
 * because that would stop the event loop, and with it the very work that frees the lock.
 */
export async function waitForLock(
  tryLock: TryLock,
  path: string,
  options: LockOptions,
): Promise<FileLock> {
  const { mode, signal } = options
  for (let tries = 0; ; tries++) {
    signal?.throwIfAborted()
    const lock = tryLock(path, mode)
    if (lock) return lock
    if (tries < EAGER_TRIES) {
      await nextTurn()
    } else {
      // At random, so that processes that began to wait together do not try together.
      const most = Math.min(LONGEST_SLEEP_MS, FIRST_SLEEP_MS * 2 ** (tries - EAGER_TRIES))
      await sleep(most * (0.5 + Math.random() / 2))
    }
  }
}

/** A lock that `free` frees, once. */
export function fileLock(path: string, mode: FileLock['mode'], free: () => void): FileLock {
  let held = true
  const dispose = () => {
    if (!held) return
    held = false
    free()
  }
  return {
    path,
    mode,
    [Symbol.dispose]: dispose,
    async [Symbol.asyncDispose]() {
      dispose()
    },
  }
}

import { closeSync, openSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileLock } from '../lock.ts'
import type { FileLock } from '../sys.ts'

/** SQLITE_BUSY and SQLITE_LOCKED of sqlite3.h. */
const BUSY: ReadonlySet<number> = new Set([5, 6])

/**
 * Locks through SQLite, which knows how on every system: the lock is the transaction of a database
 * that stays empty, and the system frees it when the process is gone.
 */
export function trySqliteLock(path: string, mode: FileLock['mode']): FileLock | undefined {
  const { DatabaseSync } = loadSqlite()
  createPrivate(path)
  const before = inodeAt(path)
  const database = new DatabaseSync(path)
  let keep = false
  try {
    database.exec('PRAGMA busy_timeout = 0')
    // Not `exec`: Deno's does not tell the error code.
    const run = (sql: string) => database.prepare(sql).all()
    run(mode === 'exclusive' ? 'BEGIN EXCLUSIVE' : 'BEGIN')
    // A transaction that may share locks nothing before it first reads.
    if (mode === 'shared') run('SELECT count(*) FROM sqlite_schema')
    // Somebody may have moved the file, or its directory, between opening and locking it.
    if (inodeAt(path) !== before) return undefined
    keep = true
  } catch (error) {
    if (BUSY.has(((error as { errcode?: number }).errcode ?? 0) & 0xff)) return undefined
    throw error
  } finally {
    if (!keep) database.close()
  }
  return fileLock(path, mode, () => database.close())
}

/**
 * SQLite would make the file readable for everybody. A file that is there is not even opened,
 * because closing it would free every lock that SQLite holds on it in this process.
 */
function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function inodeAt(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}

type Sqlite = typeof import('node:sqlite')

function loadSqlite(): Sqlite {
  // Asked for only here, because Node 22 warns as soon as it is loaded.
  return createRequire(import.meta.url)('node:sqlite') as Sqlite
}

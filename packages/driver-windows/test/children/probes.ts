/** What the cases of our own look at, and how they make calls fail. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { dll } from './windows-bed.ts'

const koffi = createRequire(import.meta.url)('koffi') as {
  load(path: string): {
    func(name: string, result: string, args: string[]): (...args: unknown[]) => number
  }
}
const library = koffi.load(dll)
const kernel32 = koffi.load('kernel32.dll')
const handleCount = kernel32.func('GetProcessHandleCount', 'int', ['intptr_t', 'void *'])

/** Backup streams that nobody has ended. */
export const openBackups: () => number = library.func('OpenBackups', 'long', [])
const setFuse = library.func('FailAt', 'void', ['long', 'int32'])
const fuse = library.func('Fuse', 'long', [])

/** Makes the n-th call of the library from now fail with access denied. */
export const failAt = (n: number): void => void setFuse(n, 0x80070005 - 2 ** 32)
/** Whether it did; from now on none fails. */
export function hasFailed(): boolean {
  const left = fuse()
  setFuse(0, 0)
  return left <= 0
}

/** Open handles of this process. */
export function handles(): number {
  const count = Buffer.alloc(4)
  handleCount(-1, count)
  return count.readUInt32LE()
}

/** Runs something, and gives what it called, with raw arguments. */
export async function logged(work: () => Promise<unknown>): Promise<string[]> {
  const log = join(tmpdir(), 'calls.log')
  process.env.FAKE_HCS_LOG = log
  try {
    await work()
  } finally {
    delete process.env.FAKE_HCS_LOG
  }
  if (!existsSync(log)) return []
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean)
  rmSync(log)
  return lines
}

/** Runs something while a function fails; gives what it throws. */
export async function failing(
  call: string,
  hresult: string,
  work: () => Promise<unknown>,
): Promise<unknown> {
  process.env.FAKE_HCS_FAIL = call
  process.env.FAKE_HCS_HRESULT = hresult
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  } finally {
    delete process.env.FAKE_HCS_FAIL
  }
}

export function equal(found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`found ${a} instead of ${b}`)
}

/** An empty folder. */
export const home = (): string => mkdtempSync(join(tmpdir(), 'home-'))

import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openSys } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { isLinux, place } from './place.ts'
import { ended, firstWords, RUNTIMES, type Runtime, start } from './runtimes.ts'

const KINDS = isLinux ? (['ffi', 'no-ffi'] as const) : (['no-ffi'] as const)
const open = (kind: 'ffi' | 'no-ffi') => openSys({ ffi: kind === 'ffi' })
const names = Object.keys(RUNTIMES) as Runtime[]

describe.each(KINDS)('lockFile (%s)', (kind) => {
  const sys = open(kind)

  test('an exclusive holder keeps everybody out, a shared one only the exclusive', async () => {
    await using dir = place()
    const path = join(dir.path, 'lock')
    const exclusive = sys.tryLockFile(path, 'exclusive')
    expect(exclusive?.mode).toBe('exclusive')
    expect(sys.tryLockFile(path, 'exclusive')).toBeUndefined()
    expect(sys.tryLockFile(path, 'shared')).toBeUndefined()
    exclusive?.[Symbol.dispose]()
    using one = sys.tryLockFile(path, 'shared')
    using two = sys.tryLockFile(path, 'shared')
    expect([one?.mode, two?.mode]).toEqual(['shared', 'shared'])
    expect(sys.tryLockFile(path, 'exclusive')).toBeUndefined()
  })

  test('freeing it twice frees nobody else’s', async () => {
    await using dir = place()
    const path = join(dir.path, 'lock')
    const first = sys.tryLockFile(path, 'exclusive')
    first?.[Symbol.dispose]()
    using _second = sys.tryLockFile(path, 'exclusive')
    first?.[Symbol.dispose]()
    await first?.[Symbol.asyncDispose]()
    expect(sys.tryLockFile(path, 'shared')).toBeUndefined()
  })

  test('the file is made for the owner only, and stays', async () => {
    await using dir = place()
    const path = join(dir.path, 'lock')
    await (await sys.lockFile(path, { mode: 'shared' }))[Symbol.asyncDispose]()
    expect(existsSync(path)).toBe(true)
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('waiting ends when the holder lets go, and the event loop runs meanwhile', async () => {
    await using dir = place()
    const path = join(dir.path, 'lock')
    const held = await sys.lockFile(path, { mode: 'exclusive' })
    let turns = 0
    const timer = setInterval(() => {
      if (++turns === 3) held[Symbol.dispose]()
    }, 1)
    using _mine = await sys.lockFile(path, { mode: 'exclusive' })
    clearInterval(timer)
    expect(turns).toBeGreaterThanOrEqual(3)
  })

  test('an aborted wait fails with the signal’s reason and holds nothing', async () => {
    await using dir = place()
    const path = join(dir.path, 'lock')
    const held = await sys.lockFile(path, { mode: 'exclusive' })
    const reason = new Error('enough')
    const abort = new AbortController()
    setTimeout(() => abort.abort(reason), 5)
    const wait = sys.lockFile(path, { mode: 'exclusive', signal: abort.signal })
    await expect(wait).rejects.toBe(reason)
    held[Symbol.dispose]()
    using free = sys.tryLockFile(path, 'exclusive')
    expect(free).toBeDefined()
  })

  test('a file in a directory that is not there is an error, not a wait', async () => {
    await using dir = place()
    const wait = sys.lockFile(join(dir.path, 'none', 'lock'), { mode: 'exclusive' })
    await expect(wait).rejects.toThrow()
  })

  test.skipIf(process.platform === 'win32').each(names)(
    'kill -9 of a holder in %s frees it',
    async (runtime) => {
      await using dir = place()
      const path = join(dir.path, 'lock')
      const child = start(runtime, 'hold', path, kind)
      expect(await firstWords(child)).toBe('exclusive\n')
      expect(sys.tryLockFile(path, 'shared')).toBeUndefined()
      const end = ended(child)
      child.kill('SIGKILL')
      expect(await end).toBe('SIGKILL')
      using lock = await sys.lockFile(path, { mode: 'exclusive' })
      expect(lock.mode).toBe('exclusive')
    },
  )
})

test('processes of three runtimes, with FFI and without, count without losing one', async () => {
  await using dir = place()
  const [lock, file] = [join(dir.path, 'lock'), join(dir.path, 'count')]
  writeFileSync(file, '0')
  const children = names.flatMap((name) =>
    KINDS.map((kind) => start(name, 'count', lock, file, '100', kind)),
  )
  const codes = await Promise.all(children.map(ended))
  expect(codes).toEqual(children.map(() => 0))
  expect(readFileSync(file, 'utf8')).toBe(String(children.length * 100))
})

test.skipIf(!isLinux)('a lock on a file that was moved away is not taken for one', async () => {
  await using dir = place()
  const path = join(dir.path, 'lock')
  using _old = openSys({ ffi: true }).tryLockFile(path, 'exclusive')
  renameSync(path, join(dir.path, 'elsewhere'))
  using fresh = openSys({ ffi: true }).tryLockFile(path, 'exclusive')
  expect(fresh).toBeDefined()
})

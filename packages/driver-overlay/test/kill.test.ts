import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canMount, mountsIn, place } from './place.ts'
import { run } from './runtime.ts'

const hasStrace = canMount && isThere('strace')

function isThere(program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test.runIf(process.env.CI)('kills are tested where they must be', () => {
  expect(hasStrace).toBe(true)
})

const FILES = 20

/** A base layer, and a layer on it with many files. */
async function bed() {
  const dir = place()
  const { path: root } = dir
  await using driver = await overlay({ root })
  const [base, top] = [newCacheID(), newCacheID()]
  await driver.create(base)
  await driver.createReadWrite(top, { parent: base })
  const files = Array.from({ length: FILES }, (_, i) => ({ name: `d/${i}`, data: 'x' }))
  await using _applied = await driver.applyDiff(top, base, [tarOf(files)])
  return { root, base, top, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() }
}

/** Everything in a home that belongs to no layer but these. */
function leftIn(root: string, ...layers: CacheID[]): string[] {
  const links = layers.map((id) => fs.readFileSync(join(root, id, 'link'), 'latin1'))
  const names = (folder: string) =>
    fs.existsSync(join(root, folder)) ? fs.readdirSync(join(root, folder)) : []
  return [
    ...names('').filter((name) => /^[a-f0-9]{64}/.test(name) && !layers.includes(name as CacheID)),
    ...names('l').filter((name) => !links.includes(name)),
    ...names('removing'),
    ...names('aside'),
    ...mountsIn(root),
  ]
}

/** System calls that change something. */
const CALLS = {
  create: ['mkdirat', 'openat', 'fsync', 'rename', 'symlink', 'write'],
  remove: ['rename', 'unlink', 'unlinkat', 'rmdir'],
  exit: ['mkdir', 'fsmount', 'move_mount', 'umount2', 'rmdir'],
  keep: ['move_mount', 'rename'],
  unmount: ['umount2'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** Calls that are also made to start the process; enough to get beyond that. */
const MOST: Readonly<Record<string, number>> = { openat: 60, write: 20 }

/** Calls of which there are many of one kind. */
const STEP: Readonly<Record<string, number>> = { openat: 7, unlinkat: 5, write: 4 }

describe.skipIf(!hasStrace)('a reset (needs root and strace)', () => {
  for (const syscall of ['mkdirat', 'renameat2', 'unlinkat'] as const) {
    test(`killed at each ${syscall} has thrown all changes away or none`, async () => {
      const found = new Set<number>()
      for (let at = 1; at <= 30; at += syscall === 'unlinkat' ? 7 : 1) {
        await using here = await bed()
        const ended = run([here.root, 'reset', here.top, here.base], { syscall, at })
        if (ended !== 137 && ended !== -1) break
        await using driver = await overlay({ root: here.root })
        const files = (await Array.fromAsync(driver.changes(here.top, here.base))).length
        found.add(files)
        const half = fs.existsSync(join(here.root, here.top, 'diff.other'))
        const said = 'files that 1 interrupted resets had thrown away'
        expect(await driver.cleanup()).toEqual(half ? [said] : [])
        expect(fs.readdirSync(join(here.root, here.top)).join()).not.toContain('other')
        await driver.reset?.(here.top, here.base)
        expect(await Array.fromAsync(driver.changes(here.top, here.base))).toEqual([])
      }
      expect([...found]).toEqual([syscall === 'unlinkat' ? 0 : FILES + 1])
    })
  }
})

describe.skipIf(!hasStrace)('after kill -9 before any call (needs root and strace)', () => {
  for (const [what, calls] of Object.entries(CALLS)) {
    for (const syscall of calls) {
      test(`${what} killed at each ${syscall} leaves nothing that is not cleared`, async () => {
        let killed = 0
        const step = STEP[syscall] ?? 1
        for (let at = 1; at <= (MOST[syscall] ?? 30); at += step) {
          await using here = await bed()
          if (what === 'unmount') expect(run([here.root, 'keep', here.top])).toBe(0)
          const id = what === 'create' ? newCacheID() : here.top
          const args = [here.root, what, id, ...(what === 'create' ? [here.base] : [])]
          const ended = run(args, { syscall, at })
          if (ended !== 137 && ended !== -1) break
          killed++
          await using driver = await overlay({ root: here.root })
          // Either it is kept, or not there.
          const stays = await driver.exists(here.top)
          const kept = (stays && (await driver.kept?.(here.top))) || []
          expect(mountsIn(here.root)).toEqual(kept.map(({ path }) => path))
          if (kept.length > 0) expect(await driver.unmount?.(here.top)).toBe(0)
          expect(mountsIn(here.root)).toEqual([])
          // The store knows of what it had begun, and removes it; of the rest cleanup finds all.
          if (what !== 'exit') await driver.remove(id)
          await driver.cleanup()
          const layers = what === 'exit' || what === 'create' ? [here.base, here.top] : [here.base]
          expect(leftIn(here.root, ...layers)).toEqual([])
          if (what !== 'exit') continue
          await using mount = await driver.mount(here.top)
          expect(fs.readdirSync(join(mount.path, 'd')).length).toBe(FILES)
        }
        expect(killed).toBeGreaterThan(0)
      })
    }
  }
})

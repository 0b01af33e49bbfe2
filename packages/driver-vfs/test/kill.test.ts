import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { newCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { describe, expect, test } from 'vitest'
import { place } from '../../trees/test/place.ts'
import { isOver, kill, start, words } from './runtime.ts'

const FILES = 3000

/** A driver with one layer of many files. */
async function bed() {
  const dir = place()
  const driver = await vfs({ root: dir.path })
  const base = newCacheID()
  await driver.create(base)
  const path = (...names: string[]) => join(dir.path, ...names)
  for (let i = 0; i < FILES; i++) {
    const parent = path('dir', base, `d${i % 30}`)
    if (i < 30) fs.mkdirSync(parent)
    fs.writeFileSync(join(parent, String(i)), 'content')
  }
  return { dir, driver, base, path, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() }
}

/** Everything below a home, but for the layer `base`. */
function leftIn(home: string, base: string): string[] {
  return ['dir', 'aside'].flatMap((name) => {
    const path = join(home, name)
    if (!fs.existsSync(path)) return []
    return fs.readdirSync(path).filter((entry) => entry !== base)
  })
}

/** Waits until something is so, or was so between two looks and the child has done its work. */
async function until(child: ChildProcess, condition: () => boolean): Promise<void> {
  while (!condition() && !isOver(child)) await sleep(1)
}

describe.skipIf(process.platform === 'win32')('after kill -9', () => {
  test('a half-copied layer is there, and remove clears it', async () => {
    await using at = await bed()
    const half = newCacheID()
    const child = start('work', at.dir.path, 'create', half, at.base)
    await words(child)
    await until(child, () => fs.existsSync(at.path('dir', half, 'd0')))
    await kill(child)
    expect(await at.driver.exists(half)).toBe(true)
    await at.driver.remove(half)
    await at.driver.remove(half)
    await at.driver.cleanup()
    expect(leftIn(at.dir.path, at.base)).toEqual([])
  })

  test('a half-removed layer is no layer, and cleanup removes the rest', async () => {
    await using at = await bed()
    const child = start('work', at.dir.path, 'remove', at.base)
    await words(child)
    await until(child, () => !fs.existsSync(at.path('dir', at.base)))
    await kill(child)
    expect(await at.driver.exists(at.base)).toBe(false)
    await at.driver.remove(at.base)
    // A quick disk may have been done before the kill; then there is nothing to clean up.
    const said = await at.driver.cleanup()
    expect([[], ['files that 1 interrupted calls had set aside']]).toContainEqual(said)
    expect(leftIn(at.dir.path, at.base)).toEqual([])
  })

  test('a half-done reset has thrown away nothing or all, and cleanup removes the rest', async () => {
    await using at = await bed()
    const top = newCacheID()
    await at.driver.createReadWrite(top, { parent: at.base })
    fs.writeFileSync(at.path('dir', top, 'mine'), 'mine')
    const child = start('work', at.dir.path, 'reset', top, at.base)
    await words(child)
    const aside = () => {
      const [name] = fs.existsSync(at.path('aside')) ? fs.readdirSync(at.path('aside')) : []
      return name !== undefined && fs.existsSync(at.path('aside', name, 'files', top, 'd0'))
    }
    await until(child, aside)
    await kill(child)
    // A quick disk may have been done before the kill; then all is as new.
    expect([31, 30]).toContain(fs.readdirSync(at.path('dir', top)).length)
    await at.driver.cleanup()
    await at.driver.reset?.(top, at.base)
    expect(fs.existsSync(at.path('dir', top, 'mine'))).toBe(false)
    expect(fs.readdirSync(at.path('dir', top)).length).toBe(30)
    expect(fs.readdirSync(at.path('aside'))).toEqual([])
  })

  test('files set aside by a living process stay, those of a dead one go', async () => {
    await using at = await bed()
    const id = newCacheID()
    await at.driver.create(id)
    const child = start('work', at.dir.path, 'displace', id)
    let said = ''
    child.stdout?.on('data', (data) => {
      said += String(data)
    })
    await until(child, () => said === 'begin\n1\n')
    expect(await at.driver.cleanup()).toEqual([])
    expect(fs.readdirSync(at.path('aside')).length).toBe(1)
    await kill(child)
    expect(await at.driver.cleanup()).toEqual(['files that 1 interrupted calls had set aside'])
    expect(fs.readdirSync(at.path('aside'))).toEqual([])
  })
})

import fs from 'node:fs'
import { basename, join } from 'node:path'
import { openSys } from '@varve/sys'
import { asidesIn, openTrees } from '@varve/trees'
import { expect, test } from 'vitest'
import { isRoot, place } from './place.ts'

const sys = openSys()
const trees = openTrees(sys, isRoot)

test('a process that sweeps while another one deletes its own gets into nobody’s way', async () => {
  await using dir = place()
  let met = 0
  /** Deletes, but between the last file of a directory and itself somebody tries its lock. */
  const meeting = async (path: string) => {
    if (basename(path) === 'files') return await trees.remove(path)
    fs.rmSync(join(path, 'lock'))
    using lock = sys.tryLockFile(join(path, 'lock'), 'exclusive')
    if (lock) met++
    fs.rmdirSync(path)
  }
  const asides = asidesIn(dir.path, sys, meeting)
  const aside = await asides.open()
  fs.writeFileSync(join(aside.path, 'payload'), 'x')
  await aside[Symbol.asyncDispose]()
  // The same between two that sweep: it is the second one's, who says so.
  expect(await asides.sweep()).toBe(0)
  expect(met).toBe(2)
  expect(fs.readdirSync(dir.path)).toHaveLength(1)
  expect(await asidesIn(dir.path, sys, trees.remove).sweep()).toBe(1)
  expect(fs.readdirSync(dir.path)).toEqual([])
})

test('what a living process has set aside is not swept', async () => {
  await using dir = place()
  const asides = asidesIn(dir.path, sys, trees.remove)
  const aside = await asides.open()
  expect(await asides.sweep()).toBe(0)
  expect(fs.existsSync(aside.path)).toBe(true)
  await asides[Symbol.asyncDispose]()
  expect(fs.readdirSync(dir.path)).toEqual([])
})

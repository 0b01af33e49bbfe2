/** Mounts are counted, isolated and, if asked for, read-only. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DriverCase } from './case.ts'

export const mounts: readonly DriverCase[] = [
  {
    name: 'mounts are counted: one holder that leaves takes nothing from the other',
    run: async (kit) => {
      const id = await kit.readWrite(await kit.layer([{ name: 'f', data: 'f' }]))
      const one = await kit.driver.mount(id)
      const two = await kit.driver.mount(id)
      assert.equal(two.path, one.path)
      await one[Symbol.asyncDispose]()
      await one[Symbol.asyncDispose]()
      assert.equal(await readFile(join(two.path, 'f'), 'utf8'), 'f')
      await writeFile(join(two.path, 'g'), 'g')
      await two[Symbol.asyncDispose]()
      assert.deepEqual(await kit.changes(id, undefined), ['A /f', 'A /g'])
    },
  },
  {
    name: 'two mounts at once give one path',
    run: async (kit) => {
      const id = await kit.readWrite(await kit.layer([{ name: 'f', data: 'f' }]))
      const [one, two] = await Promise.all([kit.driver.mount(id), kit.driver.mount(id)])
      assert.equal(one.path, two.path)
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()])
      assert.deepEqual(await kit.texts(id), { f: 'f' })
    },
  },
  {
    name: 'what is written in a mount is there in the next one',
    run: async (kit) => {
      const id = await kit.readWrite(await kit.layer([{ name: 'd/f', data: 'f' }]))
      await kit.mounted(id, (path) => writeFile(join(path, 'd/g'), 'g'))
      await kit.mounted(id, (path) => writeFile(join(path, 'd/f'), 'changed'))
      assert.deepEqual(await kit.texts(id), { 'd/f': 'changed', 'd/g': 'g' })
    },
  },
  {
    name: 'two read-write layers on one parent do not see each other',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const [one, two] = [await kit.readWrite(base), await kit.readWrite(base)]
      await kit.mounted(one, (path) => writeFile(join(path, 'f'), 'one'))
      await kit.mounted(two, (path) => writeFile(join(path, 'g'), 'two'))
      assert.deepEqual(await kit.texts(one), { f: 'one' })
      assert.deepEqual(await kit.texts(two), { f: 'f', g: 'two' })
      assert.deepEqual(await kit.texts(base), { f: 'f' })
    },
  },
  {
    name: 'a read-write layer on an init layer sees and does not change it',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const init = await kit.readWrite(base)
      await kit.mounted(init, (path) => writeFile(join(path, 'hosts'), 'init'))
      const id = await kit.readWrite(init)
      await kit.mounted(id, (path) => writeFile(join(path, 'own'), 'own'))
      assert.deepEqual(await kit.texts(id), { f: 'f', hosts: 'init', own: 'own' })
      assert.deepEqual(await kit.changes(id, init), ['A /own'])
      assert.deepEqual(await kit.texts(init), { f: 'f', hosts: 'init' })
    },
  },
  {
    name: 'a read-only mount says so, and the kernel keeps it so',
    run: async (kit) => {
      const id = await kit.layer([{ name: 'f', data: 'f' }])
      await using mount = await kit.driver.mount(id, { readOnly: true })
      assert.equal(mount.readOnly, true)
      assert.equal(await readFile(join(mount.path, 'f'), 'utf8'), 'f')
      if (kit.driver.capabilities.mount === 'directory') return
      await assert.rejects(writeFile(join(mount.path, 'g'), 'g'), { code: 'EROFS' })
    },
  },
  {
    name: 'a path of ten directories is deleted and made again at every depth (echo)',
    run: async (kit) => {
      const parts = Array.from({ length: 10 }, (_, i) => `d${i}`)
      const base = await kit.layer([{ name: `${parts.join('/')}/file`, data: 'echo' }])
      for (let depth = 1; depth <= parts.length; depth++) {
        const id = await kit.readWrite(base)
        const at = parts.slice(0, depth).join('/')
        await kit.mounted(id, async (path) => {
          await rm(join(path, at), { recursive: true })
          await mkdir(join(path, at))
          await writeFile(join(path, at, 'again'), 'again')
        })
        assert.deepEqual(await kit.texts(id), { [`${at}/again`]: 'again' })
        const copy = await kit.layer([await kit.diff(id, base)], base)
        assert.deepEqual(await kit.texts(copy), { [`${at}/again`]: 'again' })
        await kit.driver.remove(id)
      }
    },
  },
  {
    name: 'files and directories of the layer beneath can be moved',
    run: async (kit) => {
      const base = await kit.layer([
        { name: 'from/f', data: 'f' },
        { name: 'to/' },
        { name: 'dir/x', data: 'x' },
      ])
      const id = await kit.readWrite(base)
      await kit.mounted(id, async (path) => {
        await rename(join(path, 'from/f'), join(path, 'to/f'))
        await rmdir(join(path, 'from'))
        await mkdir(join(path, 'from'))
      })
      assert.deepEqual(await kit.texts(id), { 'to/f': 'f', 'dir/x': 'x' })
      const copy = await kit.layer([await kit.diff(id, base)], base)
      assert.deepEqual(await kit.texts(copy), { 'to/f': 'f', 'dir/x': 'x' })
    },
  },
  {
    name: 'a file deleted and made anew five times is what it was made last',
    run: async (kit) => {
      const id = await kit.readWrite(await kit.layer([{ name: 'f', data: '0' }]))
      for (let i = 1; i <= 5; i++) {
        await kit.mounted(id, async (path) => {
          await rm(join(path, 'f'))
          await writeFile(join(path, 'f'), String(i).repeat(i))
          assert.deepEqual(await readdir(path), ['f'])
        })
      }
      assert.deepEqual(await kit.texts(id), { f: '55555' })
    },
  },
]

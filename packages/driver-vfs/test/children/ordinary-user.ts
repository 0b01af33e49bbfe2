/** The life of two layers, as whoever runs it: `ordinary-user ROOT`; prints what came of it. */
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { tarOf } from '@varve/testkit'

const [root = ''] = process.argv.slice(2)
const driver = await vfs({ root })
const [base, top] = [newCacheID(), newCacheID()]
await driver.create(base)
await using applied = await driver.applyDiff(base, undefined, [
  tarOf([
    { name: 'etc/', mode: 0o555 },
    { name: 'etc/shadow', data: 'secret', mode: 0o000 },
    { name: 'locked/', mode: 0o000 },
  ]),
])
await driver.create(top, { parent: base })
const mode = (id: string, name: string) => fs.lstatSync(join(root, 'dir', id, name)).mode & 0o7777
const names = ['etc', 'etc/shadow', 'locked']
const result = {
  keeps: driver.capabilities.keeps,
  home: [root, join(root, 'dir')].map((path) => fs.lstatSync(path).mode & 0o7777),
  size: applied.size,
  base: names.map((name) => mode(base, name)),
  top: names.map((name) => mode(top, name)),
}
await driver.remove(top)
await driver.remove(base)
const left = fs.readdirSync(join(root, 'dir'))
process.stdout.write(JSON.stringify({ ...result, left }))

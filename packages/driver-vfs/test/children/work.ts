/** One call on a driver, after a word to the parent: `work ROOT CALL ID [PARENT]`. */
import process from 'node:process'
import { asCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { tarOf } from '@varve/testkit'

const [root = '', call = '', first = '', second] = process.argv.slice(2)
const driver = await vfs({ root })
const id = asCacheID(first)
process.stdout.write('begin\n')
if (call === 'create') {
  await driver.create(id, second === undefined ? {} : { parent: asCacheID(second) })
} else if (call === 'remove') {
  await driver.remove(id)
} else if (call === 'reset') {
  await driver.reset?.(id, second === undefined ? undefined : asCacheID(second))
} else if (call === 'displace') {
  const twice = tarOf([
    { name: 'a', data: 'first' },
    { name: 'a', data: 'second' },
  ])
  const applied = await driver.applyDiff(id, undefined, [twice])
  process.stdout.write(`${applied.displaced.length}\n`)
  setInterval(() => applied.size, 1000)
}

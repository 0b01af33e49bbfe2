/** One call on a driver, after a word to the parent: `work ROOT CALL ID [PARENT]`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { asCacheID, type Mount, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'

const [root = '', call = '', first = '', second] = process.argv.slice(2)
const driver = await overlay({ root })
const id = asCacheID(first)
const parent = second === undefined ? {} : { parent: asCacheID(second) }
const say = (text: string) => process.stdout.write(`${text}\n`)
say('begin')
if (call === 'mount' || call === 'exit' || call === 'throw') {
  const mount: Mount = await driver.mount(id)
  writeFileSync(join(mount.path, call), call)
  say(mount.path)
  if (call === 'exit') process.exit(3)
  if (call === 'throw') throw new Error('on purpose')
  process.stdin.once('data', async () => {
    await mount[Symbol.asyncDispose]()
    await driver[Symbol.asyncDispose]()
    process.exit(0)
  })
} else if (call === 'keep') {
  const mount = await driver.mount(id, { keep: true })
  say(mount.path)
  process.exit(0)
} else if (call === 'reset') {
  await driver.reset?.(id, parent.parent)
  say('done')
} else if (call === 'copy') {
  await driver.createReadWrite(newCacheID(), { ...parent, copyOf: id })
  say('done')
} else if (call === 'unmount') {
  say(String(await driver.unmount?.(id)))
} else if (call === 'many') {
  for (let i = 0; i < 60; i++) {
    await using mount = await driver.mount(id)
    writeFileSync(join(mount.path, `${process.pid}-${i}`), '')
  }
  say('done')
} else if (call === 'remove') {
  await driver.remove(id)
  say('done')
} else if (call === 'create') {
  await driver.createReadWrite(id, parent)
  say('done')
}

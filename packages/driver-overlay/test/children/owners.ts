/** Applies files and whiteouts of a user on a layer: `owners ROOT UID`; prints how that went. */
import process from 'node:process'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'

const [root = '', user] = process.argv.slice(2)
const uid = Number(user)
await using driver = await overlay({ root })

async function layer(files: Parameters<typeof tarOf>[0], parent?: CacheID): Promise<CacheID> {
  const id = newCacheID()
  await driver.create(id, parent ? { parent } : {})
  const tar = tarOf(files)
  await using _applied = await driver.applyDiff(id, parent, [tar])
  const wrong = await Array.fromAsync(driver.verify?.(id, [tar]) ?? [])
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return id
}

try {
  const xattrs = { 'trusted.own': 'x', 'user.fuseoverlayfs.opaque': 'y', 'user.own': 'x' }
  const below = await layer([{ name: 'gone' }, { name: 'd/', xattrs }, { name: 'd/f', uid }])
  const top = await layer([{ name: '.wh.gone', uid }, { name: 'd/' }], below)
  const changes = await Array.fromAsync(driver.changes(top, below))
  process.stdout.write(JSON.stringify(changes.map(({ kind, path }) => `${kind} ${path}`)))
} catch (error) {
  if (!LayerError.is(error)) throw error
  const { code, message, hint } = error
  process.stdout.write(JSON.stringify({ code, message, hint }))
}

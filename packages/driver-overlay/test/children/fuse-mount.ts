/** Mounts a layer by fuse-overlayfs, says where, and waits to be killed: `fuse-mount ROOT ID`. */
import process from 'node:process'
import { asCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'

const [root = '', id = ''] = process.argv.slice(2)
const driver = await overlay({ root, mountMethod: 'fuse' })
const mount = await driver.mount(asCacheID(id))
process.stdout.write(`begin\n${mount.path}\n`)
process.stdin.resume()

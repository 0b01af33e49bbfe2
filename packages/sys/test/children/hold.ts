/** Takes the lock, says so, and keeps it until killed: `hold LOCK FFI`. */
import process from 'node:process'
import { openSys } from '@varve/sys'

const [lockPath = '', ffi = ''] = process.argv.slice(2)
const lock = await openSys({ ffi: ffi === 'ffi' }).lockFile(lockPath, { mode: 'exclusive' })
process.stdout.write(`${lock.mode}\n`)
setInterval(() => lock.path, 1000)

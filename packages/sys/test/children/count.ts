/** Adds 1 to the number in a file, many times, each time under the lock: `count LOCK FILE N FFI`. */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { openSys } from '@varve/sys'

const [lockPath = '', file = '', times = '', ffi = ''] = process.argv.slice(2)
const sys = openSys({ ffi: ffi === 'ffi' })
for (let i = 0; i < Number(times); i++) {
  using _lock = await sys.lockFile(lockPath, { mode: 'exclusive' })
  writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1))
}

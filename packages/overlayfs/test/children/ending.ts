/** Ends by one signal, and gets another one while it says what it does at its end. */
import { writeSync } from 'node:fs'
import process from 'node:process'
import { whenProcessEnds } from '../../src/mounting/process-end.ts'

const [first = 'SIGTERM', second = 'SIGTERM'] = process.argv.slice(2) as NodeJS.Signals[]
whenProcessEnds(() => {
  writeSync(1, 'begun ')
  process.kill(process.pid, second)
  writeSync(1, 'done')
})
// Whatever keeps a process alive.
setTimeout(() => {}, 60_000)
process.kill(process.pid, first)

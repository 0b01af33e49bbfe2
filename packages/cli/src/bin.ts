#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { main } from './main.ts'

// Nearly all that a command makes is garbage at once. Where it begins need not grow: that saves a
// fifth of the peak memory and costs no time.
setFlagsFromString('--semi-space-growth-factor=1')

/** Signals that end a command in order, with the exit code that shells expect: 128 + number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** npx and other launchers pass on what the terminal told everybody: that is one request. */
const ONE_REQUEST_MS = 250

const interruption = new AbortController()
let interrupted: { readonly code: number; readonly at: number } | undefined
const handlers = Object.entries(SIGNALS).map(([signal, code]) => {
  const handler = () => {
    if (!interrupted) {
      interrupted = { code, at: performance.now() }
      interruption.abort()
    } else if (performance.now() - interrupted.at > ONE_REQUEST_MS) {
      // Whoever asks twice does not want to wait for the clean-up; the next open does it.
      process.exit(code)
    }
  }
  process.on(signal, handler)
  return [signal, handler] as const
})

const code = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interruption.signal,
  releaseSignals() {
    for (const [signal, handler] of handlers) process.off(signal, handler)
  },
})
// Not process.exitCode: standard input that nobody reads any more would keep the process alive.
process.exit(interrupted?.code ?? code)

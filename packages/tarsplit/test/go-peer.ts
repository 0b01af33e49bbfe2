import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The program of ours in `go-peer`, which calls the Go implementation of tar-split. */
export interface GoPeer extends Disposable {
  /** Answers to messages, in order; see `go-peer/main.go` for what they are. */
  ask(messages: readonly (readonly Uint8Array[])[]): Uint8Array[][]
}

/** Builds it; undefined where there is no Go or its module cannot be fetched. */
export function goPeer(): GoPeer | undefined {
  const cwd = fileURLToPath(new URL('go-peer/', import.meta.url))
  const dir = mkdtempSync(join(tmpdir(), 'go-peer-'))
  const program = join(dir, 'go-peer')
  const build = () => spawnSync('go', ['build', '-o', program, '.'], { cwd, encoding: 'utf8' })
  let built = build()
  // Where it must be, the module proxy is given another chance.
  for (let tries = 1; process.env.CI && built.status !== 0 && tries < 3; tries++) built = build()
  if (built.status !== 0) {
    rmSync(dir, { recursive: true })
    if (process.env.CI) throw new Error(`No Go peer: ${built.error ?? built.stderr}`)
    return undefined
  }
  return {
    ask(messages) {
      const input = Buffer.concat(messages.map(encode))
      const { status, stdout, stderr } = spawnSync(program, { input, maxBuffer: 1 << 30 })
      if (status !== 0) throw new Error(`The Go peer failed: ${stderr}`)
      return decode(stdout)
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  }
}

function encode(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([number(parts.length), ...parts.flatMap((p) => [number(p.length), p])])
}

function number(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function decode(bytes: Buffer): Uint8Array[][] {
  const messages: Uint8Array[][] = []
  let at = 0
  const next = (): number => {
    at += 4
    return bytes.readUInt32BE(at - 4)
  }
  while (at < bytes.length) {
    const parts: Uint8Array[] = []
    for (let left = next(); left > 0; left--) {
      const length = next()
      parts.push(bytes.subarray(at, at + length))
      at += length
    }
    messages.push(parts)
  }
  return messages
}

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The program of ours in `go-peer`, which calls Go's `archive/tar`. */
export interface GoPeer extends Disposable {
  /** Runs it; `input` is its standard input, the answer its standard output. */
  run(operation: 'read' | 'write', input: Uint8Array | string): string
}

/** Builds it; undefined where there is no Go. */
export function goPeer(): GoPeer | undefined {
  const cwd = fileURLToPath(new URL('go-peer/', import.meta.url))
  const dir = mkdtempSync(join(tmpdir(), 'go-peer-'))
  const program = join(dir, 'go-peer')
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd, encoding: 'utf8' })
  if (built.status !== 0) {
    rmSync(dir, { recursive: true })
    if (process.env.CI) throw new Error(`No Go peer: ${built.error ?? built.stderr}`)
    return undefined
  }
  return {
    run(operation, input) {
      const { status, stdout, stderr } = spawnSync(program, [operation], {
        input,
        maxBuffer: 1 << 28,
      })
      if (status !== 0) throw new Error(`The Go peer failed: ${stderr}`)
      return stdout.toString()
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  }
}

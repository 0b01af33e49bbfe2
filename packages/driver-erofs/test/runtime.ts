import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Runs `children/NAME.ts` from source, on Node whatever runs this. */
export function start(name: string, ...args: string[]): ChildProcess {
  const node = here('../../../node_modules/.bin/node')
  const child = here(`children/${name}.ts`)
  return spawn(node, ['--conditions=@varve/source', child, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

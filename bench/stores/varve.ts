/** varve's built command, as users run it: Node's start is in every figure. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from '../harness/measure.ts'
import type { Contestant } from './contestant.ts'

/** Where `npm run build` puts it. @throws Error if that was not run */
export function builtCommand(): string {
  const bin = join(import.meta.dirname, '../../packages/cli/dist/bin.js')
  if (!existsSync(bin)) throw new Error('Cannot measure varve: run npm run build first')
  return bin
}

/** @param dir where its store goes */
export function varve(dir: string, driver: string): Contestant {
  const root = join(dir, `varve-${driver}`)
  const bin = builtCommand()
  const command = (...args: string[]): Command => ({
    argv: [process.execPath, bin, '--root', root, '--driver', driver, ...args],
  })
  const wipe = () => rm(root, { recursive: true, force: true })
  return {
    name: `varve (${driver})`,
    exact: true,
    takes: () => true,
    async register({ file }) {
      await wipe()
      return command('layer', 'register', file)
    },
    export: ({ diffID }, to) => command('layer', 'tar', diffID, '-o', to),
    remove: ({ diffID }) => command('layer', 'rm', diffID),
    [Symbol.asyncDispose]: wipe,
  }
}

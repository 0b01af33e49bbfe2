import process from 'node:process'
import { describe } from 'vitest'
import { kinds } from './places.ts'

const isRoot = process.getuid?.() === 0 && process.platform === 'linux'

/** A suite for each driver; that of one which this user cannot have is skipped. */
export function onEachDriver(what: string, body: (kind: string) => void): void {
  for (const kind of kinds) {
    const needsRoot = kind === 'overlay2'
    const title = `${what} ${kind}${needsRoot ? ' (needs root)' : ''}`
    describe.skipIf(needsRoot && !isRoot)(title, () => body(kind))
  }
}

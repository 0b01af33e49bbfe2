import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Sys } from '@varve/sys'
import type { Layout } from './layout.ts'

/** Moves a directory of damaged metadata out of the way, by one rename; nothing is deleted. */
export async function quarantine(
  sys: Sys,
  layout: Layout,
  kind: 'layer' | 'mount',
  from: string,
  label: string,
): Promise<void> {
  const readable = label.replace(/[^\w.-]/g, '_').slice(0, 200)
  const name = `${kind}-${readable}-${randomBytes(8).toString('hex')}`
  await sys.renameNoReplace(from, join(layout.quarantine, name))
  await sys.syncDirectory(layout.quarantine)
}

/** Whether a name in quarantine is a read-write layer's: its files nobody can make again. */
export function isMountInQuarantine(name: string): boolean {
  return name.startsWith('mount-')
}

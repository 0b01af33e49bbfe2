import type { Privileges } from '@varve/sys'
import { emulatedDisks } from '../emulated/emulated-disks.ts'
import { emulatedFs } from '../emulated/emulated-fs.ts'
import { type EmulatedHcsOptions, emulatedHcs } from '../emulated/emulated-hcs.ts'
import type { Ports } from './service.ts'

/** What does the work where there is no Windows. */
export function imitation(options: EmulatedHcsOptions = {}): Ports {
  return {
    hcs: emulatedHcs(options),
    fs: emulatedFs(),
    virtDisk: emulatedDisks(),
    privileges: NO_PRIVILEGES,
  }
}

const NO_PRIVILEGES: Privileges = { with: (_names, work) => work() }

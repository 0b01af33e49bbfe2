import type { Verb } from '../../verb.ts'
import { asm } from './asm.ts'
import { disasm } from './disasm.ts'

/** `varve tarsplit …`: tars and records, without a store. */
export const tarsplit: Verb = (parent, app) => {
  const group = parent.command('tarsplit').description('tars apart and together, without a store')
  for (const verb of [disasm, asm]) verb(group, app)
}

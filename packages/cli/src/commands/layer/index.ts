import type { Verb } from '../../verb.ts'
import { inspect } from './inspect.ts'
import { ls } from './ls.ts'
import { register } from './register.ts'
import { rm } from './rm.ts'
import { tar } from './tar.ts'

/** `varve layer …`: single layers, without images. */
export const layer: Verb = (parent, app) => {
  const group = parent.command('layer').description('single layers, without images')
  for (const verb of [register, ls, inspect, tar, rm]) verb(group, app)
}

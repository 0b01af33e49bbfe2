import type { Verb } from '../../verb.ts'
import { exportVerb } from './export.ts'
import { history } from './history.ts'
import { inspect } from './inspect.ts'
import { ls } from './ls.ts'
import { migrate } from './migrate.ts'
import { rm } from './rm.ts'
import { save } from './save.ts'

/** `varve graph …`: the images of Docker up to 1.9, in the data root that it left. */
export const graph: Verb = (parent, app) => {
  const group = parent
    .command('graph')
    .description('data roots of Docker up to 1.9: look, save, and bring the images here')
  for (const verb of [ls, inspect, history, save, rm, migrate, exportVerb]) verb(group, app)
}

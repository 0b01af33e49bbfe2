/**
 * A migration, for the fault tests: in a process of its own, with a fault injected at one of its
 * calls. Prints `done` when it was reported as whole. Argument: directory.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { migrate } from '@varve/graph'
import { openOldGraph, openStoreAt } from '../../support/store-bed.ts'

if (process.argv[2] !== undefined && import.meta.main) {
  const root = process.argv[2]
  await using graph = await openOldGraph(join(root, 'old'))
  await using bed = await openStoreAt(join(root, 'new'))
  const { failed } = await migrate(graph, { ...bed, memo: join(root, 'memo') })
  if (failed.length > 0) throw new Error(failed.map(({ message }) => message).join('\n'))
  writeSync(1, 'done\n')
}

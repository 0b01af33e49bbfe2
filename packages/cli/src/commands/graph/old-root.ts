/**
 * Docker's data root up to 1.9: `graph/`, the driver's folder, and `repositories-<driver>`.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LayerError } from '@varve/core/errors'
import type { Graph, GraphVersion } from '@varve/graph'
import { type Command, Option } from 'commander'
import type { Context } from '../../context.ts'

/** What every verb on a graph has. */
export interface GraphOptions {
  readonly graphDriver?: string
}

/** How {@link openOldRoot} opens. */
interface How extends GraphOptions {
  /** Whether the verb changes something; otherwise nothing of the root is. */
  readonly write?: boolean
  /** Make an empty root where there is none. */
  readonly create?: boolean
  readonly version?: GraphVersion
}

/** Drivers of that time whose layers varve cannot read. */
const FOREIGN = ['aufs', 'overlay', 'devicemapper', 'btrfs', 'zfs'] as const

/** Gives a verb the argument and the option that tell where a graph is. */
export function onGraph(command: Command): Command {
  return command
    .argument('<dir>', 'data root of Docker up to 1.9: the directory with graph/ in it')
    .addOption(new Option('--graph-driver <name>', 'whose layers are there (default: as is found)'))
}

/** Opens the graph of a data root; disposing of it closes the driver too. */
export async function openOldRoot(context: Context, dir: string, how: How = {}): Promise<Graph> {
  const { write = false, create = false, version = '1.9' } = how
  const root = resolve(dir)
  assertRoot(root, create)
  const { driverKind } = await import('../../store/drivers.ts')
  const name = how.graphDriver ?? (await findDriver(root)) ?? 'vfs'
  const kind = driverKind(name)
  const driver = await kind.make(join(root, kind.home), { readOnly: !write })
  try {
    const { openGraph } = await import('@varve/graph')
    const graph = await openGraph({
      root: join(root, 'graph'),
      repositories: join(root, `repositories-${name}`),
      driver,
      version,
      readOnly: !write,
    })
    for (const { message } of await graph.problems()) context.note(`varve: ${message}`)
    return {
      ...graph,
      async [Symbol.asyncDispose]() {
        await graph[Symbol.asyncDispose]()
        await driver[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await driver[Symbol.asyncDispose]()
    throw error
  }
}

function assertRoot(root: string, create: boolean): void {
  if (existsSync(join(root, 'graph'))) return
  const isEmpty = !existsSync(root) || readdirSync(root).length === 0
  if (create && isEmpty) return
  const hint = existsSync(join(root, '_tmp'))
    ? 'Give the directory above it, where the layers are too'
    : 'Give the data root of a Docker up to 1.9, often /var/lib/docker'
  throw new LayerError('ERR_NOT_A_STORE', `Cannot open ${root}: there is no graph in it`, {
    data: { root },
    hint: create ? `${hint}, or an empty directory` : hint,
  })
}

/** The one driver with layers there; undefined if none of any driver are there. */
async function findDriver(root: string): Promise<string | undefined> {
  const { driverKind, driverNames } = await import('../../store/drivers.ts')
  const found = driverNames.filter((name) => existsSync(join(root, driverKind(name).home)))
  const [only, ...others] = found
  if (others.length > 0) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot choose a driver for ${root}: layers of several are there`,
      { data: { root, drivers: found }, hint: `Give --graph-driver ${found.join(' or ')}` },
    )
  }
  const foreign = FOREIGN.filter((name) => existsSync(join(root, name)))
  if (only !== undefined || foreign.length === 0) return only
  throw new LayerError(
    'ERR_NOT_SUPPORTED',
    `Cannot read the layers in ${root}: they are kept by ${foreign.join(', ')}`,
    {
      data: { root, drivers: foreign },
      hint: 'Run docker save with the Docker that made them; varve load takes its archives',
    },
  )
}

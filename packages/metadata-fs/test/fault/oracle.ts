import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheID, hexOf } from '@varve/core'
import { expect } from 'vitest'
import type { FaultPlan, Outcome } from '../../../../test/fault/harness.ts'
import { metadataFs } from '../../src/index.ts'
import { text, tree } from '../stack.ts'
import { LAYERS, type LayerName, MOUNT, recordOf, recover, ToyDriver } from './cast.ts'

/** What is in a store. */
export interface State {
  readonly layers: readonly LayerName[]
  readonly mounted?: boolean
  readonly damaged?: readonly LayerName[]
  /** Directories in quarantine. */
  readonly quarantined?: number
}

/**
 * An oracle that allows the given states, of which the last is that after the operation; the only
 * one if the operation was acknowledged.
 *
 * @param others driver layers that metadata knows nothing of and that must stay
 */
export function oracleOf(
  states: readonly State[],
  others: readonly CacheID[] = [],
): FaultPlan['oracle'] {
  return async (dir, outcome) => {
    assertEnding(outcome)
    const found = await settle(dir)
    const after = states.at(-1)
    const allowed = outcome.acknowledged.includes('done') && after ? [after] : states
    const match = allowed.find((state) => sameState(state, found))
    if (!match) throw new Error(`found ${JSON.stringify(found)}, of ${JSON.stringify(allowed)}`)
    assertNothingElse(dir, match, others)
  }
}

function assertEnding({ exitCode, acknowledged, fault, stderr }: Outcome): void {
  const done = acknowledged.includes('done')
  const killed = fault.act === 'kill' || fault.act === 'killafter'
  if (exitCode === 2) throw new Error('it failed, but not with a LayerError')
  if (exitCode === 0 && !done) throw new Error('it ended well without having done it')
  if (exitCode === undefined && !killed) throw new Error('it died of an error')
  const wanted: Readonly<Record<string, RegExp>> = {
    ENOSPC: /ENOSPC|no space/i,
    EDQUOT: /EDQUOT|quota/i,
    EROFS: /EROFS|read-only/i,
    EIO: /EIO|input\/output|i\/o error/i,
  }
  if (exitCode === 1) expect(stderr).toMatch(wanted[fault.act] ?? /never/)
}

/** Opens the store as the next process does, and again, when nothing may be left to do. */
async function settle(dir: string): Promise<State> {
  const root = join(dir, 'layerdb')
  const driver = new ToyDriver(dir)
  {
    await using metadata = await metadataFs({ root })
    await recover(metadata, driver)
  }
  await using metadata = await metadataFs({ root })
  expect(await recover(metadata, driver)).toBe(0)
  expect((await metadata.lock('shared', () => metadata.intended())).size).toBe(0)
  for (const { chainID } of Object.values(LAYERS)) {
    expect(await metadata.lock('exclusive', () => metadata.heldElsewhere(chainID))).toBe(false)
  }
  const layers: LayerName[] = []
  for await (const record of metadata.layers()) {
    const name = nameOf(record.chainID)
    expect(record).toEqual(LAYERS[name])
    const wanted = Buffer.concat([...recordOf(name)]).toString()
    expect(await text(await metadata.tarSplit(record.chainID))).toBe(wanted)
    if (record.parent) expect(await metadata.layer(record.parent)).toBeDefined()
    layers.push(name)
  }
  const mounts = await Array.fromAsync(metadata.mounts())
  if (mounts.length > 0) expect(mounts).toEqual([MOUNT])
  const damaged = await Array.fromAsync(metadata.damaged(), ({ subject }) => nameOf(subject))
  const quarantined = readdirSync(join(root, 'varve/quarantine')).length
  return { layers: layers.sort(), mounted: mounts.length > 0, damaged, quarantined }
}

/** Walks the whole tree: what does not belong to the state is a leak, what is missing a loss. */
function assertNothingElse(dir: string, state: State, others: readonly CacheID[]): void {
  const wanted = new Set(['sha256/', 'tmp/', 'mounts/', 'varve/', 'varve/lock', 'varve/version'])
  for (const name of ['owners', 'journals', 'unsynced', 'quarantine']) wanted.add(`varve/${name}/`)
  const files = ['', 'cache-id', 'descriptor.json', 'diff', 'size', 'tar-split.json.gz']
  for (const name of [...state.layers, ...(state.damaged ?? [])]) {
    const layer = `sha256/${hexOf(LAYERS[name].chainID)}/`
    for (const file of files) wanted.add(`${layer}${file}`)
    if (LAYERS[name].parent) wanted.add(`${layer}parent`)
  }
  if (state.mounted) {
    for (const file of ['', 'mount-id', 'init-id', 'parent']) wanted.add(`mounts/mount/${file}`)
  }
  const found = Object.keys(tree(join(dir, 'layerdb'))).filter((path) => !mayBeThere(path, state))
  expect(found.sort()).toEqual([...wanted].sort())

  const ids: string[] = state.layers.map((name) => LAYERS[name].cacheID)
  if (state.mounted) ids.push(MOUNT.mountID, MOUNT.initID as string)
  expect(new ToyDriver(dir).list()).toEqual([...ids, ...others].sort())
}

/** What is no matter of the state: the revision, quarantine's content, marks of listed layers. */
function mayBeThere(path: string, state: State): boolean {
  const marked = /^varve\/unsynced\/([0-9a-f]{64})\./.exec(path)?.[1]
  if (marked) return state.layers.some((name) => hexOf(LAYERS[name].chainID) === marked)
  return path === 'varve/revision' || /^varve\/quarantine\/./.test(path)
}

function sameState(a: State, b: State): boolean {
  const plain = ({ layers, mounted = false, damaged = [], quarantined = 0 }: State) =>
    JSON.stringify([[...layers].sort(), mounted, damaged, quarantined])
  return plain(a) === plain(b)
}

function nameOf(chainID: string): LayerName {
  const found = Object.entries(LAYERS).find(([, record]) => record.chainID === chainID)
  if (!found) throw new Error(`nobody made layer ${chainID}`)
  return found[0] as LayerName
}

import { randomBytes } from 'node:crypto'
import { renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  type ChainID,
  cleanUp,
  hexOf,
  LayerError,
  type LayerRecord,
  type Removal,
  wrapError,
} from '@varve/core'
import { attempting, type Context, corrupt } from './context.ts'
import { isThere, removeTree } from './files.ts'
import { eraseJournal, writeJournal } from './journal.ts'
import { mountRemovingName, removingName } from './layout.ts'
import { readLayer, readMount } from './records.ts'

/** A directory that was moved from where it is listed to where it is not. */
interface Move {
  readonly from: string
  readonly to: string
}

/** See `MetadataStore.retire`. */
export async function retireLayers(ctx: Context, ids: readonly ChainID[]): Promise<Removal> {
  const attempt = `Cannot remove ${ids.length === 1 ? `layer ${ids[0]}` : `${ids.length} layers`}`
  const owner = ctx.writer(attempt)
  ctx.lock.assertHeld('exclusive', attempt)
  const { layers } = ctx.layout
  return await attempting(attempt, async () => {
    const records = [...new Set(ids)].map((id) => requireLayer(ctx, id, attempt))
    const moves = records.map(({ chainID }): Move => {
      const hex = hexOf(chainID)
      const name = removingName(hex, owner.id, randomBytes(16).toString('hex'))
      return { from: join(layers, hex), to: join(layers, name) }
    })
    const names = moves.map(({ from }) => basename(from))
    const unsafe = new Set(await ctx.marks.marked(false))
    ctx.revision.bump()
    await moveTogether(ctx, attempt, owner.id, moves)
    try {
      // Now, under the lock: later a mark could be that of the same layer, registered anew.
      for (const name of names) ctx.marks.remove(name)
    } catch (error) {
      throw await cleanUp(wrapError(error, attempt), () => moveBack(ctx, moves))
    }
    return removal(ctx, {
      kind: 'remove',
      cacheIDs: records.map((record) => record.cacheID),
      subject: records.map((record) => `layer ${record.chainID}`).join(', '),
      moves,
      parents: [layers],
      relist: async () => {
        for (const name of names) if (unsafe.has(name)) await ctx.marks.add(name)
      },
    })
  })
}

/** See `MetadataStore.retireMount`. */
export async function retireMount(ctx: Context, name: string): Promise<Removal> {
  const attempt = `Cannot remove read-write layer ${name}`
  const owner = ctx.writer(attempt)
  ctx.lock.assertHeld('exclusive', attempt)
  const { mounts, tmp } = ctx.layout
  return await attempting(attempt, async () => {
    const from = join(mounts, name)
    const present = readMount(ctx.layout, name)
    if (!present) throw new LayerError('ERR_MOUNT_NOT_FOUND', `${attempt}: it does not exist`)
    if (!present.record) throw corrupt('mount', name, from, present.damage)
    const { mountID, initID } = present.record
    const to = join(tmp, mountRemovingName(owner.id, owner.nextSerial(), name))
    const moves = [{ from, to }]
    // The new name first: the directory is never without a name on disk.
    const parents = [tmp, mounts]
    ctx.revision.bump()
    await moveAll(ctx, attempt, moves, parents)
    return removal(ctx, {
      kind: 'remove-mount',
      cacheIDs: initID ? [mountID, initID] : [mountID],
      subject: `read-write layer ${name}`,
      moves,
      parents,
      relist: async () => {},
    })
  })
}

function requireLayer(ctx: Context, id: ChainID, attempt: string): LayerRecord {
  const hex = hexOf(id)
  const present = readLayer(ctx.layout, hex)
  if (!present) {
    throw new LayerError('ERR_LAYER_NOT_FOUND', `${attempt}: layer ${id} does not exist`)
  }
  if (!present.record) throw corrupt('layer', id, join(ctx.layout.layers, hex), present.damage)
  return present.record
}

/**
 * Several moves as one. While the journal is there, a killed process's moves are taken back; they
 * count once it is gone, so nothing that they name may be removed before that is durable.
 */
async function moveTogether(
  ctx: Context,
  attempt: string,
  owner: string,
  moves: readonly Move[],
): Promise<void> {
  const { layers } = ctx.layout
  if (moves.length < 2) return await moveAll(ctx, attempt, moves, [layers])
  const journal = await writeJournal(
    ctx,
    owner,
    moves.map(({ to }) => basename(to)),
  )
  try {
    await moveAll(ctx, attempt, moves, [layers])
  } catch (error) {
    // What could not be taken back now, the journal tells the next process to take back.
    const undone = moves.every(({ to }) => !isThere(to))
    throw await cleanUp(error, () => (undone ? eraseJournal(ctx, journal) : undefined))
  }
  try {
    await eraseJournal(ctx, journal)
  } catch (error) {
    throw await cleanUp(wrapError(error, attempt), () => moveBack(ctx, moves))
  }
}

async function moveAll(
  ctx: Context,
  attempt: string,
  moves: readonly Move[],
  parents: readonly string[],
): Promise<void> {
  const done: Move[] = []
  try {
    for (const move of moves) {
      renameSync(move.from, move.to)
      done.push(move)
    }
    for (const parent of parents) await ctx.sys.syncDirectory(parent)
  } catch (error) {
    throw await cleanUp(wrapError(error, attempt), () => moveBack(ctx, done))
  }
}

/** The last first, so that no layer is ever listed without its parent. */
async function moveBack(ctx: Context, moves: readonly Move[]): Promise<void> {
  for (const { from, to } of moves.toReversed()) {
    // Somebody may have registered the same layer anew: then the old one stays removed.
    if (isThere(to)) await ctx.sys.renameNoReplace(to, from)
  }
}

interface Moved extends Pick<Removal, 'kind' | 'cacheIDs' | 'subject'> {
  readonly moves: readonly Move[]
  readonly parents: readonly string[]
  /** What to do first when it is undone. */
  readonly relist: () => Promise<void>
}

function removal(ctx: Context, moved: Moved): Removal {
  const { kind, cacheIDs, subject, moves, parents } = moved
  return {
    kind,
    cacheIDs,
    subject,
    finish: () =>
      attempting(`Cannot forget ${subject}`, () => {
        ctx.writer(`Cannot forget ${subject}`)
        for (const { to } of moves) removeTree(to)
      }),
    undo: () =>
      attempting(`Cannot list ${subject} again`, async () => {
        ctx.writer(`Cannot list ${subject} again`)
        ctx.revision.bump()
        await moved.relist()
        await moveBack(ctx, moves)
        for (const parent of parents) await ctx.sys.syncDirectory(parent)
      }),
  }
}

import { join } from 'node:path'
import { cleanUp, hexOf, wrapError } from '@varve/core'
import type { Context } from './context.ts'
import { isThere, listNames, readSmallFile, unlinkIfAny, writeFiles } from './files.ts'
import { type OwnerID, parseJournal, parseRemoving } from './layout.ts'
import { readStagedLayer } from './records.ts'

/** A store has no more layers than this to remove at once. */
const JOURNAL_LIMIT = 64 << 20

/**
 * Writes down which directories are about to be de-listed together, durably. A journal is an undo
 * log: as long as it exists, the removal has not happened.
 *
 * @param names what the layers will be called once removed, in order
 */
export async function writeJournal(
  ctx: Context,
  owner: OwnerID,
  names: readonly string[],
): Promise<string> {
  const { journals } = ctx.layout
  const attempt = `Cannot remove ${names.length} layers`
  const path = join(journals, `${owner}-${ctx.writer(attempt).nextSerial()}`)
  try {
    await writeFiles(new Map([[path, `${names.join('\n')}\n`]]), 0o600, true)
    await ctx.sys.syncDirectory(journals)
  } catch (error) {
    throw await cleanUp(wrapError(error, attempt), () => unlinkIfAny(path))
  }
  return path
}

/** Decides that the removal has happened. */
export async function eraseJournal(ctx: Context, path: string): Promise<void> {
  unlinkIfAny(path)
  await ctx.sys.syncDirectory(ctx.layout.journals)
}

/**
 * Takes back what dead owners were about to remove together. A journal cut off in the middle was
 * being written, and nothing had been moved.
 */
export async function takeBackJournals(
  ctx: Context,
  isAlive: (owner: OwnerID) => boolean,
): Promise<void> {
  const { journals, layers } = ctx.layout
  for (const name of listNames(journals)) {
    const owner = parseJournal(name)
    if (owner === undefined || isAlive(owner)) continue
    const path = join(journals, name)
    const moved = (readSmallFile(path, JOURNAL_LIMIT)?.toString() ?? '').split('\n')
    ctx.revision.bump()
    for (const to of moved.toReversed()) await takeBack(ctx, to)
    await ctx.sys.syncDirectory(layers)
    unlinkIfAny(path)
  }
}

/** Lists a layer again, unless it is listed anew or its parent has gone: then it stays removed. */
async function takeBack(ctx: Context, removed: string): Promise<void> {
  const { layers } = ctx.layout
  const hex = parseRemoving(removed)?.hex
  const record = hex && readStagedLayer(join(layers, removed))
  if (!hex || !record) return
  const { parent } = record
  if (parent && !isThere(join(layers, hexOf(parent)))) return
  await ctx.sys.renameNoReplace(join(layers, removed), join(layers, hex))
}

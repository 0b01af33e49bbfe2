import { join } from 'node:path'
import { type ChainID, isDigest, LayerError, type RemovedLayer } from '@varve/core'
import * as v from 'valibot'
import { type ImageContext, neededChains, releaseChains } from '../context.ts'
import { sweepBlobs } from '../disk/blobs.ts'
import { listImageIDs } from '../disk/config-files.ts'
import { namesIn, readIfThere, removeDurably, writeDurably } from '../disk/files.ts'
import type { ImageFiles, Work } from '../disk/image-files.ts'
import { jsonBytes, parseDocument } from '../document/json.ts'

const JOURNAL = 'layers.json'

/**
 * Written down before layers are taken in or given up, so that a later process can finish: of
 * these stacks, what no image needs is to go.
 */
export interface LayerJournal {
  /** The ChainIDs of each image, base first. */
  readonly stacks: readonly (readonly ChainID[])[]
  /** Those that were there before and stay. */
  readonly existed: readonly ChainID[]
}

/** Puts a journal on stable storage. */
export async function writeJournal(
  { sys, paths }: ImageFiles,
  work: Work,
  journal: LayerJournal,
): Promise<void> {
  await writeDurably(sys, join(work.dir, JOURNAL), jsonBytes(journal), work.path())
  await sys.syncDirectory(paths.work)
}

const chain = v.custom<ChainID>(isDigest)
const journalSchema = v.object({ stacks: v.array(v.array(chain)), existed: v.array(chain) })

/** Removes the layers of a journal that nothing needs, and such blobs. None of it may be held. */
export async function finishJournal(
  ctx: ImageContext,
  journal: LayerJournal,
): Promise<RemovedLayer[]> {
  return await ctx.files.exclusively(async () => {
    const spared = new Set([...(await neededChains(ctx)), ...journal.existed])
    const removed: RemovedLayer[] = []
    for (const stack of journal.stacks) removed.push(...(await releaseChains(ctx, stack, spared)))
    await sweepBlobs(ctx.files)
    return removed
  })
}

/** Undoes what processes left that died during a load or a removal. */
export async function recover(
  ctx: ImageContext,
  onRecovered: (what: string) => void,
): Promise<void> {
  await ctx.files.sweep(async (directories) => {
    for (const dir of directories) {
      const journal = await readJournal(dir, onRecovered)
      if (!journal) continue
      for (const { chainID } of await finishJournal(ctx, journal)) {
        onRecovered(`removed layer ${chainID} of no image`)
      }
    }
    await sweepLeftovers(ctx)
  })
}

/** A damaged journal keeps no store from opening: its layers are left to `prune`. */
async function readJournal(
  dir: string,
  onRecovered: (what: string) => void,
): Promise<LayerJournal | undefined> {
  const bytes = await readIfThere(join(dir, JOURNAL))
  if (!bytes) return undefined
  const what = `the journal in ${dir}`
  try {
    return parseDocument(bytes, journalSchema, { what, code: 'ERR_CORRUPT_METADATA' })
  } catch (error) {
    if (!LayerError.is(error)) throw error
    onRecovered(error.message)
    return undefined
  }
}

/** Manifests and metadata of images that are not there, and blobs that nothing needs. */
async function sweepLeftovers({ files }: ImageContext): Promise<void> {
  await files.exclusively(async () => {
    const { paths, sys } = files
    const present = new Set((await listImageIDs(paths)).map((id) => id.slice('sha256:'.length)))
    for (const dir of [paths.manifests, paths.metadata]) {
      for (const name of await namesIn(dir)) {
        if (!present.has(name)) await removeDurably(sys, join(dir, name))
      }
    }
    await sweepBlobs(files)
  })
}

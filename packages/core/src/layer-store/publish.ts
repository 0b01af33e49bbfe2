import { cleanUp, wrapError } from '../errors.ts'
import type { CacheID } from '../ids.ts'
import type { Removal, Transaction } from '../metadata.ts'
import { type CallOptions, callOptions } from '../streams.ts'
import type { StoreContext } from './context.ts'

/** Begins a change. @throws LayerError that says what was attempted */
export async function beginChange(
  ctx: StoreContext,
  cacheIDs: readonly CacheID[],
  options: CallOptions,
  attempt: string,
): Promise<Transaction> {
  try {
    return await ctx.metadata.begin(cacheIDs, callOptions(options))
  } catch (error) {
    throw wrapError(error, attempt)
  }
}

/** How publishing ended. */
export interface PublishOutcome {
  readonly published: boolean
  /** Undefined if it was published, or if the name was taken. */
  readonly error?: unknown
  /** What had become visible and was de-listed again; finish it once the driver has forgotten. */
  readonly removal?: Removal
  /** Visible although the call failed, and it could not be undone: the driver must keep its files. */
  readonly listed?: boolean
}

/** What a transaction stands for, as far as undoing it needs to know. */
export interface Staged {
  /** Whether the metadata lists what this very transaction staged. */
  isListed(): Promise<boolean>
  retire(): Promise<Removal>
}

/**
 * Publishes a transaction under the exclusive lock.
 *
 * A publication can fail when it is visible already: the rename was done and could not be put on
 * stable storage. It is undone then, and if that fails too it stands, whole, although the caller is
 * told of a failure. Never are files removed that the metadata still lists.
 */
export async function publishStaged(
  ctx: StoreContext,
  tx: Transaction,
  staged: Staged,
  note: () => void,
): Promise<PublishOutcome> {
  try {
    const published = await ctx.index.change(
      () => tx.publish(),
      (done) => done && note(),
    )
    return { published }
  } catch (error) {
    if (!(await isListed(staged))) return { published: false, error }
    try {
      return { published: false, error, removal: await staged.retire() }
    } catch (undoing) {
      const both = new AggregateError([error, undoing], messageOf(error))
      return { published: false, error: both, listed: await isListed(staged) }
    }
  }
}

/**
 * Ends a transaction, and clears up after a change that did not become visible. What the driver
 * cannot remove stays written down as begun, so that the next opening removes it.
 *
 * @throws LayerError what the outcome says, with whatever went wrong in clearing up
 */
export async function settle(
  ctx: StoreContext,
  tx: Transaction,
  cacheIDs: readonly CacheID[],
  outcome: PublishOutcome,
  attempt: string,
): Promise<void> {
  const { published, listed, removal, error } = outcome
  const undone = !published && !listed
  const failure = await cleanUp(
    error === undefined ? undefined : wrapError(error, attempt),
    async () => {
      if (undone) await removeAll(ctx, cacheIDs)
      await tx[Symbol.asyncDispose]()
      if (undone) await removal?.finish()
    },
  )
  if (failure !== undefined) throw failure
}

/** Removes driver layers, all that can be. */
async function removeAll(ctx: StoreContext, cacheIDs: readonly CacheID[]): Promise<void> {
  const failure = await cleanUp(undefined, ...cacheIDs.map((id) => () => ctx.driver.remove(id)))
  if (failure !== undefined) throw failure
}

/** When in doubt it is listed: files too many can be swept, files too few are a broken layer. */
async function isListed(staged: Staged): Promise<boolean> {
  try {
    return await staged.isListed()
  } catch {
    return true
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

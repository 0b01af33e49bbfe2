import { chmodSync, mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  asChainID,
  asMountName,
  type CacheID,
  type CallOptions,
  chainIDOf,
  checkAborted,
  cleanUp,
  type Durability,
  hexOf,
  LayerError,
  type LayerRecord,
  type MountRecord,
  type RecordSink,
  type Transaction,
  wrapError,
} from '@varve/core'
import { attempting, type Context, corrupt } from './context.ts'
import { removeTree, syncFile, writeFiles } from './files.ts'
import { LAYER_FILE, writeSetName } from './layout.ts'
import { quarantine } from './quarantine.ts'
import { layerFiles, mountFiles, readLayer, readMount } from './records.ts'
import { RecordFile, readRecordFile } from './tar-split-file.ts'

type Staged =
  | { readonly kind: 'layer'; readonly record: LayerRecord; readonly durability: Durability }
  | { readonly kind: 'mount'; readonly record: MountRecord }

/** moby: `os.MkdirTemp` makes a write-set, and so a layer's directory, 0700. */
const LAYER_MODE = 0o700
/** moby: `os.MkdirAll(mount, 0o755)`. */
const MOUNT_MODE = 0o755
/** moby: `os.WriteFile(…, 0o644)`. */
const FILE_MODE = 0o644

/** Makes the write-set; its name, durable when this resolves, is the intent. */
export async function beginTransaction(
  ctx: Context,
  cacheIDs: readonly CacheID[],
  options: CallOptions = {},
): Promise<Transaction> {
  const attempt = 'Cannot begin a change of the layer metadata'
  checkAborted(options.signal, attempt)
  const owner = ctx.writer(attempt)
  const dir = join(ctx.layout.tmp, writeSetName(owner.id, owner.nextSerial(), cacheIDs))
  return await attempting(attempt, async () => {
    mkdirSync(dir, { mode: LAYER_MODE })
    try {
      await ctx.sys.syncDirectory(ctx.layout.tmp)
    } catch (error) {
      throw await cleanUp(wrapError(error, attempt), () => rmdirSync(dir))
    }
    return new FsTransaction(ctx, dir, cacheIDs)
  })
}

class FsTransaction implements Transaction {
  readonly #ctx: Context
  readonly #dir: string
  readonly #cacheIDs: ReadonlySet<CacheID>
  #record: RecordFile | undefined
  #staged: Staged | undefined
  #over = false
  /** A sync that failed may have lost data that a second sync would not tell of. */
  #poison: LayerError | undefined

  constructor(ctx: Context, dir: string, cacheIDs: readonly CacheID[]) {
    this.#ctx = ctx
    this.#dir = dir
    this.#cacheIDs = new Set(cacheIDs)
  }

  tarSplit(): RecordSink & { close(): Promise<void> } {
    const attempt = 'Cannot write the tar-split record'
    this.#check(attempt)
    if (this.#record) throw misuse(attempt, 'it has been written already')
    try {
      this.#record = new RecordFile(this.#path(LAYER_FILE.tarSplit), this.#ctx.level)
    } catch (error) {
      throw wrapError(error, attempt)
    }
    return this.#record
  }

  async rewriteTarSplit(
    rewrite: (record: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const attempt = 'Cannot rewrite the tar-split record'
    this.#check(attempt)
    if (!this.#record || this.#record.isOpen) throw misuse(attempt, 'it is not closed')
    const path = this.#path(LAYER_FILE.tarSplit)
    const next = `${path}.new`
    await attempting(attempt, async () => {
      const file = new RecordFile(next, this.#ctx.level)
      try {
        for await (const chunk of rewrite(readRecordFile(path, attempt))) await file.write(chunk)
        await file.close()
      } finally {
        file.abandon()
      }
      renameSync(next, path)
    })
  }

  async stageLayer(record: LayerRecord, durability: Durability): Promise<void> {
    const attempt = `Cannot stage layer ${asChainID(record.chainID)}`
    this.#checkStage(attempt, [record.cacheID])
    if (chainIDOf(record.parent, record.diffID) !== record.chainID) {
      throw new LayerError(
        'ERR_INVALID_ARGUMENT',
        `${attempt}: this is not the ChainID of its parent and diff`,
      )
    }
    await this.#poisoning(attempt, async () => {
      const durable = durability === 'full'
      await this.#write(layerFiles(record), durable)
      if (durable && this.#record) await syncFile(this.#path(LAYER_FILE.tarSplit))
      if (durable) await this.#ctx.sys.syncDirectory(this.#dir)
    })
    this.#staged = { kind: 'layer', record, durability }
  }

  async stageMount(record: MountRecord): Promise<void> {
    const attempt = `Cannot stage read-write layer ${asMountName(record.name)}`
    const { mountID, initID } = record
    this.#checkStage(attempt, initID ? [mountID, initID] : [mountID])
    await this.#poisoning(attempt, async () => {
      await this.#write(mountFiles(record), true)
      chmodSync(this.#dir, MOUNT_MODE)
      await this.#ctx.sys.syncDirectory(this.#dir)
    })
    this.#staged = { kind: 'mount', record }
  }

  async publish(): Promise<boolean> {
    const attempt = 'Cannot publish a change of the layer metadata'
    this.#check(attempt)
    this.#ctx.lock.assertHeld('exclusive', attempt)
    const staged = this.#staged
    if (!staged) throw misuse(attempt, 'nothing is staged')
    return await this.#poisoning(attempt, () =>
      staged.kind === 'layer' ? this.#publishLayer(staged) : this.#publishMount(staged.record),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over) return
    this.#record?.abandon()
    await attempting('Cannot undo a change of the layer metadata', () => removeTree(this.#dir))
    this.#over = true
  }

  async #publishLayer({
    record,
    durability,
  }: Extract<Staged, { kind: 'layer' }>): Promise<boolean> {
    const { layout, marks, sys, revision } = this.#ctx
    const hex = hexOf(record.chainID)
    const present = readLayer(layout, hex)
    if (present?.record) return false
    if (durability !== 'full') await marks.add(hex)
    revision.bump()
    const to = join(layout.layers, hex)
    if (present) await quarantine(sys, layout, 'layer', to, hex)
    return await this.#rename(to, layout.layers, durability === 'full')
  }

  async #publishMount(record: MountRecord): Promise<boolean> {
    const { layout, revision } = this.#ctx
    const to = join(layout.mounts, record.name)
    const present = readMount(layout, record.name)
    if (present?.record) return false
    // Behind it may be somebody's work: that is for `check --repair` to set aside, not for us.
    if (present) throw corrupt('mount', record.name, to, present.damage)
    revision.bump()
    return await this.#rename(to, layout.mounts, true)
  }

  /** The one step that others see. If it cannot be made durable, it is taken back. */
  async #rename(to: string, parent: string, durable: boolean): Promise<boolean> {
    const { sys } = this.#ctx
    if (!(await sys.renameNoReplace(this.#dir, to))) return false
    try {
      if (durable) await sys.syncDirectory(parent)
    } catch (error) {
      throw await cleanUp(wrapError(error, 'Cannot publish a change of the layer metadata'), () =>
        renameSync(to, this.#dir),
      )
    }
    this.#over = true
    return true
  }

  async #write(files: ReadonlyMap<string, string>, durable: boolean): Promise<void> {
    const paths = new Map([...files].map(([name, content]) => [this.#path(name), content]))
    await writeFiles(paths, FILE_MODE, durable)
  }

  #path(name: string): string {
    return join(this.#dir, name)
  }

  #checkStage(attempt: string, ids: readonly CacheID[]): void {
    this.#check(attempt)
    if (this.#record?.isOpen) throw misuse(attempt, 'its tar-split record is not closed')
    for (const id of ids) {
      if (!this.#cacheIDs.has(id)) {
        throw misuse(attempt, `driver layer ${id} was not written down when it began`)
      }
    }
  }

  #check(attempt: string): void {
    if (this.#over) throw new LayerError('ERR_CLOSED', `${attempt}: the change is over`)
    this.#ctx.writer(attempt)
    if (this.#poison) {
      throw new LayerError(this.#poison.code, `${attempt}: an earlier step failed`, {
        cause: this.#poison,
      })
    }
  }

  async #poisoning<T>(attempt: string, step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      this.#poison = wrapError(error, attempt)
      throw this.#poison
    }
  }
}

function misuse(attempt: string, why: string): LayerError {
  return new LayerError('ERR_INTERNAL', `${attempt}: ${why}`)
}

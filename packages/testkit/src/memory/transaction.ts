import type { MountRecord, Transaction } from '@varve/core'
import { type CacheID, type Durability, LayerError, type LayerRecord } from '@varve/core'
import type { DiskState } from './disk.ts'

type Staged =
  | { readonly kind: 'layer'; readonly record: LayerRecord; readonly durability: Durability }
  | { readonly kind: 'mount'; readonly record: MountRecord }

/** Writes the intent down and gives the transaction that owns it. */
export function beginTransaction(
  disk: DiskState,
  owner: number,
  cacheIDs: readonly CacheID[],
): Transaction {
  const id = disk.newID()
  const subject = cacheIDs.join(' ')
  disk.intents.set(id, { owner, kind: 'register', cacheIDs: [...cacheIDs], subject })
  return new MemoryTransaction(disk, owner, id)
}

class MemoryTransaction implements Transaction {
  readonly #disk: DiskState
  readonly #owner: number
  readonly #id: number
  #record: Uint8Array[] | undefined
  #writing = false
  #staged: Staged | undefined
  #done = false

  constructor(disk: DiskState, owner: number, id: number) {
    this.#disk = disk
    this.#owner = owner
    this.#id = id
  }

  tarSplit(): { write(chunk: Uint8Array): Promise<void> | undefined; close(): Promise<void> } {
    this.#check('write a record')
    if (this.#record) throw misuse('write a record: it has one already')
    const chunks: Uint8Array[] = []
    this.#record = chunks
    this.#writing = true
    return {
      write: (chunk) => {
        this.#check('write a record')
        if (!this.#writing) throw misuse('write to a closed record')
        chunks.push(chunk.slice())
        return undefined
      },
      close: async () => {
        this.#writing = false
      },
    }
  }

  async rewriteTarSplit(
    rewrite: (record: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ): Promise<void> {
    this.#check('rewrite a record')
    const old = this.#record
    if (!old || this.#writing) throw misuse('rewrite a record that is not closed')
    const rewritten: Uint8Array[] = []
    for await (const chunk of rewrite(each(old))) rewritten.push(chunk.slice())
    this.#record = rewritten
  }

  async stageLayer(record: LayerRecord, durability: Durability): Promise<void> {
    this.#stage({ kind: 'layer', record: structuredClone(record), durability })
  }

  async stageMount(record: MountRecord): Promise<void> {
    this.#stage({ kind: 'mount', record: structuredClone(record) })
    const intent = this.#disk.intents.get(this.#id)
    if (intent) Object.assign(intent, { kind: 'create', subject: record.name })
  }

  async publish(): Promise<boolean> {
    this.#check('publish')
    const staged = this.#staged
    if (!staged) throw misuse('publish: nothing is staged')
    const disk = this.#disk
    const subject = staged.kind === 'layer' ? staged.record.chainID : staged.record.name
    const present =
      staged.kind === 'layer'
        ? disk.layers.get(staged.record.chainID)
        : disk.mounts.get(staged.record.name)
    if (present && !present.damage) return false
    if (present) disk.setAside.push({ kind: staged.kind, subject })
    if (staged.kind === 'layer') {
      const { record, durability } = staged
      const safe = durability === 'full'
      disk.layers.set(record.chainID, {
        record,
        durability,
        safe,
        boot: disk.boot,
        tarSplit: this.#record,
      })
    } else {
      disk.mounts.set(staged.record.name, { record: staged.record })
    }
    disk.revision++
    this.#end()
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A dead process undoes nothing: what it began stays for the next one to find.
    if (!this.#done && this.#disk.living.has(this.#owner)) this.#end()
  }

  #stage(staged: Staged): void {
    this.#check('stage')
    if (this.#writing) throw misuse('stage: the record is not closed')
    this.#staged = staged
  }

  #end(): void {
    this.#disk.intents.delete(this.#id)
    this.#done = true
  }

  #check(what: string): void {
    if (this.#disk.living.has(this.#owner) && !this.#done) return
    throw new LayerError('ERR_CLOSED', `Cannot ${what}: the change is over`)
  }
}

function misuse(what: string): LayerError {
  return new LayerError('ERR_INTERNAL', `Cannot ${what}`)
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk.slice()
}

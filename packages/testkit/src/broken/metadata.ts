import type { ChainID, MetadataStore, Transaction } from '@varve/core'
import { withMethods } from './replace.ts'

type BreakMetadata = (store: MetadataStore) => Partial<MetadataStore>

/** A store whose changes under way are wrong. */
function changing(
  edit: (transaction: Transaction, store: MetadataStore) => Partial<Transaction>,
): BreakMetadata {
  return (store) => ({
    begin: async (...args) => {
      const transaction = await store.begin(...args)
      return withMethods(transaction, edit(transaction, store))
    },
  })
}

const FAULTS: Readonly<Record<string, BreakMetadata>> = {
  'publishes when it stages': changing((transaction) => {
    let published = false
    return {
      stageLayer: async (...args) => {
        await transaction.stageLayer(...args)
        published = await transaction.publish()
      },
      publish: async () => published,
    }
  }),
  'says that it published what was there already': changing((transaction) => ({
    publish: async () => {
      await transaction.publish()
      return true
    },
  })),
  'does not undo what is left': changing(() => ({ [Symbol.asyncDispose]: async () => {} })),
  'loses a part of a record': changing((transaction) => ({
    tarSplit: () => {
      const sink = transaction.tarSplit()
      let first = true
      return {
        close: () => sink.close(),
        write: (chunk) => {
          const kept = first
          first = false
          return kept ? sink.write(chunk) : undefined
        },
      }
    },
  })),
  'does not rewrite a record': changing(() => ({ rewriteTarSplit: async () => {} })),
  'loses parents': changing((transaction) => ({
    stageLayer: ({ parent: _, ...record }, durability) =>
      transaction.stageLayer(record, durability),
  })),
  'loses init layers': changing((transaction) => ({
    stageMount: ({ initID: _, ...record }) => transaction.stageMount(record),
  })),
  'takes every layer for safe': changing((transaction) => ({
    stageLayer: (record) => transaction.stageLayer(record, 'full'),
  })),
  'retires one by one': (store) => ({
    retire: async (ids: readonly ChainID[]) => {
      for (const id of ids.slice(0, -1)) await (await store.retire([id])).finish()
      return await store.retire(ids.slice(-1))
    },
  }),
  'cannot undo a removal': (store) => ({
    retire: async (ids) => withMethods(await store.retire(ids), { undo: async () => {} }),
  }),
  'never changes its revision': () => ({ revision: async () => '1' }),
  'changes its revision whenever it is asked': () => {
    let count = 0
    return { revision: async () => String(++count) }
  },
  'does not lock': () => ({ lock: async (_, fn) => await fn() }),
  'ignores an abort of the lock': (store) => ({ lock: (mode, fn) => store.lock(mode, fn) }),
  'keeps the lock after a failure': (store) => {
    let stuck = false
    return {
      lock: (mode, fn) => {
        if (stuck) return Promise.reject(new Error('locked for ever'))
        return store.lock(mode, fn).catch((error) => {
          stuck = true
          throw error
        })
      },
    }
  },
  'takes its own holds for those of others': (store) => {
    const own = new Set<string>()
    return {
      hold: async (id) => {
        own.add(id)
        await store.hold(id)
      },
      heldElsewhere: async (id) => own.has(id) || (await store.heldElsewhere(id)),
    }
  },
  'sees no holds of others': () => ({ heldElsewhere: async () => false }),
  'forgets what the dead had begun': () => ({ interrupted: async () => [] }),
  'takes the living for dead': (store) => ({
    interrupted: async () =>
      [...(await store.intended())].map((id) => ({
        kind: 'register' as const,
        cacheIDs: [id],
        subject: id,
        finish: async () => {},
      })),
  }),
  'hides damage': () => ({ damaged: async function* () {} }),
  'takes a damaged layer for none': (store) => ({
    layer: (id) => store.layer(id).catch(() => undefined),
  }),
  'sets nothing aside': () => ({ setAside: async () => {} }),
  'verifies nothing after a restart': () => ({ unverified: async () => [] }),
}

/** Everything that a {@link brokenMetadata} can do wrong, in words. */
export const metadataFaults: readonly string[] = Object.keys(FAULTS)

/**
 * A metadata store that commits one class of fault, to prove that a suite notices.
 *
 * @param fault one of {@link metadataFaults}
 *
 * @example
 * ```ts
 * import { brokenMetadata, memoryMetadata } from '@varve/testkit'
 *
 * await using store = brokenMetadata('never changes its revision', memoryMetadata())
 * console.assert((await store.revision()) === '1')
 * ```
 */
export function brokenMetadata(fault: string, store: MetadataStore): MetadataStore {
  const breakIt = FAULTS[fault]
  if (!breakIt) throw new TypeError(`no such fault: ${fault}`)
  return withMethods(store, breakIt(store))
}

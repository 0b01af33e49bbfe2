import { type ChainID, type LayerStore, type OpenStoreOptions, openStore } from '@varve/core'
import { memoryDisk, memoryDriver, memoryLayers, memoryMetadata } from '@varve/testkit'

/** How one more store on a {@link memoryPlace} is opened. */
export interface Opening extends Partial<Pick<OpenStoreOptions, 'retained' | 'onRecovered'>> {
  /** Called ahead of every call to the driver (`driver.x`) and the metadata (`metadata.x`). */
  readonly before?: (call: string) => unknown
}

/** A disk in memory on which any number of stores can be open, each as if in its own process. */
export function memoryPlace() {
  const disk = memoryDisk()
  const layers = memoryLayers()
  return {
    disk,
    async open({ before, ...options }: Opening = {}): Promise<LayerStore> {
      const driver = memoryDriver({ layers })
      const metadata = memoryMetadata(disk)
      return await openStore({
        driver: before ? intercepted(driver, (name) => before(`driver.${name}`)) : driver,
        metadata: before ? intercepted(metadata, (name) => before(`metadata.${name}`)) : metadata,
        ...options,
      })
    },
  }
}

const ITERATING = new Set(['changes', 'damaged', 'diff', 'layers', 'list', 'mounts', 'verify'])

/** `target` with `before` called, and waited for, ahead of every method. */
function intercepted<T extends object>(target: T, before: (method: string) => unknown): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (typeof key === 'symbol') return value.bind(target)
      if (!ITERATING.has(key)) {
        return async (...args: unknown[]) => {
          await before(key)
          return await value.apply(target, args)
        }
      }
      return async function* (...args: unknown[]) {
        await before(key)
        yield* value.apply(target, args)
      }
    },
  })
}

/** Empty archives that differ: the zero blocks are more or fewer. */
export function emptyTarOf(blocks: number): Uint8Array {
  return new Uint8Array(512 * (blocks + 2))
}

/** ChainIDs of all layers, sorted. */
export async function chainsIn(store: LayerStore): Promise<ChainID[]> {
  return (await Array.fromAsync(store.layers())).map(({ chainID }) => chainID).sort()
}

/** Problems that a look at everything finds. */
export async function problemsIn(store: LayerStore): Promise<string[]> {
  return (await Array.fromAsync(store.check({ full: true }))).map(({ message }) => message)
}

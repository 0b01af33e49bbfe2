import type { CacheID } from '@varve/core'
import type { Service } from '../service.ts'
import { LayerUse } from './layer-use.ts'

/** Who uses which layer in this process. */
export class LayerUses {
  readonly #service: Service
  readonly #uses = new Map<CacheID, LayerUse>()

  constructor(service: Service) {
    this.#service = service
  }

  of(id: CacheID): LayerUse {
    const known = this.#uses.get(id)
    if (known) return known
    const use = new LayerUse(this.#service.transitions(id))
    this.#uses.set(id, use)
    return use
  }

  isInUse(id: CacheID): boolean {
    return this.#uses.get(id)?.inUse ?? false
  }

  forget(id: CacheID): void {
    this.#uses.delete(id)
  }
}

import { type CacheID, LayerError } from '@varve/core'
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

  /**
   * Puts to rest what a failed call left otherwise.
   *
   * @param hint the way out for a layer with users
   * @throws LayerError `ERR_MOUNT_IN_USE`; whatever the service says
   */
  async settle(id: CacheID, attempt: string, hint: string): Promise<void> {
    if ((await this.#uses.get(id)?.settle()) !== false) return
    throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: layer ${id} is mounted`, {
      data: { id },
      hint,
    })
  }

  forget(id: CacheID): void {
    this.#uses.delete(id)
  }
}

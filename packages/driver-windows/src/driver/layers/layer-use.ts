import { cleanUp } from '@varve/core'

/** What is done to a layer when its users come and go. */
export interface Transitions {
  activate(): Promise<void>
  deactivate(): Promise<void>
  prepare(): Promise<void>
  unprepare(): Promise<void>
  mountPath(): Promise<string>
}

const REST = 0
const ACTIVE = 1
const PREPARED = 2

/**
 * Who uses a layer: mounts are counted, and while it is read from the service's side it is not shown
 * to programs. One change at a time. What the service has done is remembered step by step, so that
 * whatever failed can be tried again.
 */
export class LayerUse {
  readonly #do: Transitions
  #state: number = REST
  #mounts = 0
  #readers = 0
  #path = ''
  #last: Promise<unknown> = Promise.resolve()
  /** There as long as somebody reads, or the last of them is cleaning up. */
  #reading: PromiseWithResolvers<void> | undefined

  constructor(transitions: Transitions) {
    this.#do = transitions
  }

  /** Puts to rest what a failed call left otherwise; false, and nothing done, if it has users. */
  async settle(): Promise<boolean> {
    return await this.#alone(async () => {
      if (this.#mounts > 0 || this.#readers > 0) return false
      await this.#reading?.promise
      await this.#to(REST)
      return true
    })
  }

  async mount(): Promise<string> {
    return await this.#alone(async () => {
      await this.#reading?.promise
      if (this.#mounts === 0) {
        try {
          await this.#to(PREPARED)
          this.#path = await this.#do.mountPath()
        } catch (error) {
          throw await cleanUp(error, () => this.#to(REST))
        }
      }
      this.#mounts++
      return this.#path
    })
  }

  async unmount(): Promise<void> {
    await this.#alone(async () => {
      await this.#reading?.promise
      if (this.#mounts === 1) await this.#to(REST)
      this.#mounts--
    })
  }

  /** Readers may be many; the first makes the layer ready for them. */
  async beginReading(): Promise<void> {
    await this.#alone(async () => {
      if (this.#readers === 0) {
        await this.#reading?.promise
        await this.#to(ACTIVE)
        this.#reading = Promise.withResolvers()
      }
      this.#readers++
    })
  }

  /** The last reader makes it as it was. Not in turn: a mount may be waiting for this. */
  async endReading(): Promise<void> {
    this.#readers--
    if (this.#readers > 0) return
    try {
      await this.#to(this.#mounts > 0 ? PREPARED : REST)
    } finally {
      const over = this.#reading
      this.#reading = undefined
      over?.resolve()
    }
  }

  /** Goes to a state one call after another. */
  async #to(state: number): Promise<void> {
    while (this.#state < state) {
      if (this.#state === REST) await this.#do.activate()
      else await this.#do.prepare()
      this.#state++
    }
    while (this.#state > state) {
      if (this.#state === PREPARED) await this.#do.unprepare()
      else await this.#do.deactivate()
      this.#state--
    }
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work)
    this.#last = turn.catch(() => undefined)
    return await turn
  }
}

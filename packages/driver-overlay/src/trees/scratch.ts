import type { NativeCalls, Sys } from '@varve/sys'
import { type Aside, openAside, sweepAside } from './aside.ts'
import { removeScratch } from './remove.ts'

/** Directories for what belongs to no layer, all gone with the driver at the latest. */
export class Scratch implements AsyncDisposable {
  readonly #parent: string
  readonly #sys: Sys
  readonly #native: NativeCalls
  readonly #open = new Set<Aside>()
  #shared: Aside | undefined

  constructor(parent: string, sys: Sys, native: NativeCalls) {
    this.#parent = parent
    this.#sys = sys
    this.#native = native
  }

  async open(): Promise<Aside> {
    const aside = openAside(this.#parent, this.#sys, this.#remove)
    this.#open.add(aside)
    return {
      path: aside.path,
      [Symbol.asyncDispose]: async () => {
        if (this.#open.delete(aside)) await aside[Symbol.asyncDispose]()
      },
    }
  }

  /** One that is there as long as the driver. */
  shared(): string {
    if (!this.#shared) {
      this.#shared = openAside(this.#parent, this.#sys, this.#remove)
      this.#open.add(this.#shared)
    }
    return this.#shared.path
  }

  /** Deletes what dead processes left; returns how many. */
  sweep(): Promise<number> {
    return sweepAside(this.#parent, this.#sys, this.#remove)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open]
    this.#open.clear()
    this.#shared = undefined
    for (const aside of open) await aside[Symbol.asyncDispose]()
  }

  readonly #remove = (path: string): Promise<void> => removeScratch(path, this.#native)
}

import type { Sys } from '@varve/sys'
import { type Aside, openAside, sweepAside, type Trees } from '@varve/trees'

/** Directories for what belongs to no layer, gone with the driver at the latest. */
export class Asides implements AsyncDisposable {
  readonly #parent: string
  readonly #sys: Sys
  readonly #trees: Trees
  readonly #open = new Set<Aside>()

  constructor(parent: string, sys: Sys, trees: Trees) {
    this.#parent = parent
    this.#sys = sys
    this.#trees = trees
  }

  async open(): Promise<Aside> {
    const aside = await openAside(this.#parent, this.#sys, (path) => this.#trees.remove(path))
    this.#open.add(aside)
    return {
      path: aside.path,
      [Symbol.asyncDispose]: async () => {
        if (this.#open.delete(aside)) await aside[Symbol.asyncDispose]()
      },
    }
  }

  /** Deletes what dead processes left, and says how much that was. */
  async sweep(): Promise<number> {
    return await sweepAside(this.#parent, this.#sys, (path) => this.#trees.remove(path))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open]
    this.#open.clear()
    for (const aside of open) await aside[Symbol.asyncDispose]()
  }
}

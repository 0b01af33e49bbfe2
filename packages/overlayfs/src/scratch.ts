import type { NativeCalls, Sys } from '@varve/sys'
import { type Aside, mountPointsIn, openAside, sweepAside, type Trees } from '@varve/trees'
import { unmount } from './mounting/single-mount.ts'

/** Directories for what belongs to no layer, all gone with the driver at the latest. */
export class Scratch implements AsyncDisposable {
  readonly #parent: string
  readonly #sys: Sys
  readonly #native: NativeCalls
  readonly #trees: Trees
  readonly #open = new Set<Aside>()

  constructor(parent: string, sys: Sys, native: NativeCalls, trees: Trees) {
    this.#parent = parent
    this.#sys = sys
    this.#native = native
    this.#trees = trees
  }

  async open(): Promise<Aside> {
    const aside = await openAside(this.#parent, this.#sys, this.#remove)
    this.#open.add(aside)
    return {
      path: aside.path,
      [Symbol.asyncDispose]: async () => {
        if (this.#open.delete(aside)) await aside[Symbol.asyncDispose]()
      },
    }
  }

  /** Deletes what dead processes left; returns how many. */
  sweep(): Promise<number> {
    return sweepAside(this.#parent, this.#sys, this.#remove)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = [...this.#open]
    this.#open.clear()
    for (const aside of open) await aside[Symbol.asyncDispose]()
  }

  /** Also a directory that a killed process has left something mounted in. */
  readonly #remove = async (path: string): Promise<void> => {
    for (const point of await mountPointsIn(path)) {
      unmount(this.#native, point)
    }
    await this.#trees.remove(path)
  }
}

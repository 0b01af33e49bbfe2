import { type AppliedDiff, cleanUp } from '@varve/core'
import type { Sys } from '@varve/sys'
import { type Aside, openAside, type RemoveTree, sweepAside } from './aside.ts'

/** Directories of this process for what belongs to no layer; all of them go when it is disposed of. */
export interface Asides extends AsyncDisposable {
  open(): Promise<Aside>
  /** Deletes what dead processes left; returns how many. */
  sweep(): Promise<number>
}

/** @param parent where they are made; it need not be there yet */
export function asidesIn(parent: string, sys: Sys, remove: RemoveTree): Asides {
  const all = new Set<Aside>()
  return {
    async open() {
      const aside = await openAside(parent, sys, remove)
      all.add(aside)
      return {
        path: aside.path,
        async [Symbol.asyncDispose]() {
          if (all.delete(aside)) await aside[Symbol.asyncDispose]()
        },
      }
    },
    sweep: () => sweepAside(parent, sys, remove),
    async [Symbol.asyncDispose]() {
      const left = [...all]
      all.clear()
      for (const aside of left) await aside[Symbol.asyncDispose]()
    },
  }
}

/**
 * Runs what applies a tar, with a directory for payloads that the layer does not hold in the end; it
 * stays for as long as the result is needed.
 */
export async function applyAside(
  asides: Asides,
  apply: (dir: string) => Promise<AppliedDiff>,
): Promise<AppliedDiff> {
  const aside = await asides.open()
  try {
    const applied = await apply(aside.path)
    return {
      size: applied.size,
      displaced: applied.displaced,
      async [Symbol.asyncDispose]() {
        await applied[Symbol.asyncDispose]()
        await aside[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    throw await cleanUp(error, () => aside[Symbol.asyncDispose]())
  }
}

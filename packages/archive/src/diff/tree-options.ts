import { setImmediate } from 'node:timers/promises'
import { type CallOptions, checkAborted, wrapError } from '@varve/core'
import { openSys, type Sys } from '@varve/sys'
import { codeOf } from '../safe-root/calls.ts'
import { openRoot } from '../safe-root/open-root.ts'
import type { Resolver, SafeRoot } from '../safe-root/safe-root.ts'
import { compareTrees, type Difference } from './compare-trees.ts'
import type { LayerMarks } from './layer-marks.ts'

/** How trees are read. */
export interface TreeOptions extends CallOptions {
  /** The system, if it is open already; opened otherwise. */
  readonly sys?: Sys
  /** How directories are found. Default: the safest that works here. */
  readonly resolver?: Resolver
  /** Given if the upper tree holds only what is different from the lower one. */
  readonly marks?: LayerMarks
}

/** Two trees that are read together. */
export interface TreePair extends Disposable {
  readonly upper: SafeRoot
  readonly lower: SafeRoot | undefined
}

export function openPair(
  upper: string,
  lower: string | undefined,
  options: TreeOptions,
  attempt: string,
): TreePair {
  const how = { ...options, sys: options.sys ?? openSys() }
  let first: SafeRoot | undefined
  try {
    first = openRoot(upper, how)
    const roots = { upper: first, lower: lower === undefined ? undefined : openRoot(lower, how) }
    return {
      ...roots,
      [Symbol.dispose]() {
        roots.upper[Symbol.dispose]()
        roots.lower?.[Symbol.dispose]()
      },
    }
  } catch (error) {
    first?.[Symbol.dispose]()
    throw wrapError(error, attempt)
  }
}

/** Compares, with a turn for others now and then. */
export async function compare(
  { upper, lower }: TreePair,
  options: TreeOptions,
  attempt: string,
): Promise<Difference> {
  const work = compareTrees(upper, lower, options.marks)
  try {
    for (;;) {
      const step = work.next()
      if (step.done) return step.value
      await setImmediate()
      checkAborted(options.signal, attempt)
    }
  } catch (error) {
    throw codeOf(error) === undefined ? error : wrapError(error, attempt)
  }
}

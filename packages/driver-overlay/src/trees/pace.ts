import { setImmediate as nextTurn } from 'node:timers/promises'
import { type CallOptions, checkAborted } from '@varve/core'

/** How long the event loop may stand still while a tree is worked on. */
const TURN_MS = 8

/** Lets others have a turn in a long run of synchronous calls, and ends it when it is aborted. */
export interface Pace {
  /** Whether it is time to `rest`; cheap enough to ask for every file. */
  due(): boolean
  /** @throws LayerError `ERR_ABORTED` */
  rest(): Promise<void>
}

/** @param attempt what is being done, as `Cannot create layer …` */
export function createPace(options: CallOptions, attempt: string): Pace {
  let turnEnds = performance.now() + TURN_MS
  checkAborted(options.signal, attempt)
  return {
    due: () => performance.now() >= turnEnds,
    async rest() {
      await nextTurn()
      checkAborted(options.signal, attempt)
      turnEnds = performance.now() + TURN_MS
    },
  }
}

import type { ProgressEvent } from '@varve/core'
import { durationText, shortID, sizeText } from './words.ts'

/** Shows how a long call goes on; its `onProgress` is what the call is given. */
export interface Progress {
  readonly onProgress: (event: ProgressEvent) => void
  /** Resolves when nothing more will be written. */
  end(outcome: 'done' | 'failed'): Promise<void>
}

/** Progress that nobody sees. */
export const SILENT: Progress = { onProgress: () => {}, end: async () => {} }

/**
 * One line for each thing that took its time, when it is finished: for logs.
 *
 * @param patience milliseconds from which on something is worth a line
 */
export function plainProgress(write: (line: string) => void, patience: number): Progress {
  let current: { readonly key: string; readonly started: number; last: ProgressEvent } | undefined
  const finish = (): void => {
    const ms = current ? performance.now() - current.started : 0
    if (current && ms >= patience) write(finishedText(current.last, ms))
    current = undefined
  }
  return {
    onProgress(event) {
      const key = `${event.phase} ${event.id}`
      if (current?.key === key) {
        current.last = event
        return
      }
      finish()
      current = { key, started: performance.now(), last: event }
    },
    async end(outcome) {
      if (outcome === 'done') finish()
    },
  }
}

/**
 * Progress in one phase of a call: its parts report too, each in its own phase and in turn.
 *
 * @param noun what is worked on, for people: it becomes the events' phase
 */
export function onlyPhase(phase: string, noun: string, progress: Progress): Progress {
  return {
    onProgress(event) {
      if (event.phase === phase) progress.onProgress({ ...event, phase: noun })
    },
    end: (outcome) => progress.end(outcome),
  }
}

/** What is being worked on: `layer 3f2a…`. Ids that are no digests say nothing to people. */
export function titleText(event: ProgressEvent): string {
  return event.id.startsWith('sha256:') ? `${event.phase} ${shortID(event.id)}` : event.phase
}

/** `layer 3f2a…: 12.3 MB in 1.2 s`. */
export function finishedText(event: ProgressEvent, ms: number): string {
  return `${titleText(event)}: ${sizeText(event.done)} in ${durationText(ms)}`
}

/** `12.3 MB of 40 MB, 31%, 85 MB/s`. */
export function runningText(event: ProgressEvent, ms: number): string {
  const rate = ms > 0 ? `, ${sizeText((event.done / ms) * 1000)}/s` : ''
  const total = event.total
  if (total === undefined || total <= 0) return `${sizeText(event.done)}${rate}`
  const percent = Math.min(100, Math.floor((event.done / total) * 100))
  return `${sizeText(event.done)} of ${sizeText(total)}, ${percent}%${rate}`
}

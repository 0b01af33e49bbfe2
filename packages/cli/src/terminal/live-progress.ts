import type { ProgressEvent } from '@varve/core'
import { Listr, ListrLogger, ProcessOutput } from 'listr2'
import { finishedText, type Progress, runningText, titleText } from './progress.ts'

/** How often the figures change, in milliseconds: faster cannot be read. */
const REFRESH_MS = 100

/** One task on the terminal, from its first event until the next task's. */
interface Row {
  readonly key: string
  readonly update: (event: ProgressEvent) => void
  /** Stops it; resolves when the terminal is ours again. */
  readonly stop: (outcome: 'done' | 'failed') => Promise<void>
}

/** A task for each thing on a terminal, with bytes and rate, one after the other. */
export function liveProgress(stream: NodeJS.WriteStream): Progress {
  let row: Row | undefined
  // Events come in a synchronous callback; rows start and stop one after the other behind it.
  let queue: Promise<void> = Promise.resolve()
  return {
    onProgress(event) {
      const key = `${event.phase} ${event.id}`
      if (row?.key !== key) {
        const before = row
        const next = startRow(
          stream,
          key,
          event,
          queue.then(() => before?.stop('done')),
        )
        queue = next.started
        row = next
      }
      row.update(event)
    },
    async end(outcome) {
      await queue
      await row?.stop(outcome)
      row = undefined
    },
  }
}

function startRow(
  stream: NodeJS.WriteStream,
  key: string,
  first: ProgressEvent,
  previous: Promise<void>,
): Row & { readonly started: Promise<void> } {
  const begun = performance.now()
  let last = first
  let drawn = 0
  let show: ((text: string) => void) | undefined
  let end: (outcome: 'done' | 'failed') => void = () => {}
  const ended = new Promise<'done' | 'failed'>((resolve) => {
    end = resolve
  })
  const started = previous
  const finished = previous.then(() =>
    new Listr(
      [
        {
          title: titleText(first),
          task: async (_context, task): Promise<void> => {
            show = (text) => {
              task.output = text
            }
            const outcome = await ended
            show = undefined
            task.title = finishedText(last, performance.now() - begun)
            if (outcome === 'failed') task.skip(`${titleText(last)}: not finished`)
          },
        },
      ],
      {
        renderer: 'default',
        forceTTY: true,
        registerSignalListeners: false,
        rendererOptions: {
          formatOutput: 'truncate',
          collapseSkips: true,
          logger: new ListrLogger({
            useIcons: true,
            processOutput: new ProcessOutput(stream, stream),
          }),
        },
      },
    ).run(),
  )
  return {
    key,
    started,
    update(event) {
      last = event
      const now = performance.now()
      if (now - drawn < REFRESH_MS) return
      drawn = now
      show?.(runningText(event, now - begun))
    },
    async stop(outcome) {
      end(outcome)
      await finished
    },
  }
}

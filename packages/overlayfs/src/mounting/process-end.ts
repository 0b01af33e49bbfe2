import process from 'node:process'

/** Those that end a process by default, and that it may catch. */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const

/** Marks listeners of this module, also across copies of it. */
const OURS = Symbol.for('varve.process-end')

type Listener = (() => void) & { [OURS]?: true }

/**
 * Calls `fn` when the process exits, or a signal is about to end it. If the program handles that
 * signal itself, it decides what happens, and its exit is what counts. Further signals wait until
 * `fn` is done, or has forgotten this: a second one, as from an impatient hand or a shell that tells
 * its whole group, would otherwise end the process half way.
 */
export function whenProcessEnds(fn: () => void): Disposable {
  const listeners = SIGNALS.map((signal) => {
    const listener: Listener = () => {
      const isOurs = (other: unknown) => (other as Listener)[OURS] === true
      if (!process.listeners(signal).every(isOurs)) return
      try {
        fn()
      } finally {
        forget()
      }
      // The last of ours gives the signal back, which then does what it does to every process.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    }
    listener[OURS] = true
    return [signal, listener] as const
  })
  const forget = (): void => {
    process.off('exit', fn)
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
  process.on('exit', fn)
  for (const [signal, listener] of listeners) process.on(signal, listener)
  return { [Symbol.dispose]: forget }
}

import type { Event, History, Write } from './block-log.ts'
import { type Random, sample } from './random.ts'

/** A moment at which the power fails, and what of the writes in flight the disk has kept. */
export interface Crash {
  readonly name: string
  /** Everything of the epochs before this one is on the disk. */
  readonly epoch: number
  /** How many events of that epoch had happened. */
  readonly events: number
  readonly kept: 'none' | 'all' | 'some' | 'torn'
}

/**
 * Every crash worth trying: after each acknowledgement with nothing, everything or something of
 * what was in flight; before each flush with everything and several times with something, one
 * write of it torn.
 *
 * @param samples how many of “something” before each flush
 */
export function crashesOf({ epochs }: History, samples: number): Crash[] {
  return epochs.flatMap((events, epoch) => {
    const at = (count: number, kept: Crash['kept'], name = ''): Crash => ({
      name: `epoch ${epoch}, ${count}/${events.length} events, ${kept}${name}`,
      epoch,
      events: count,
      kept,
    })
    const crashes: Crash[] = []
    let writes = 0
    for (const [index, event] of events.entries()) {
      if (event.kind === 'write') {
        writes++
        continue
      }
      crashes.push(at(index + 1, 'none'))
      if (writes > 0) crashes.push(at(index + 1, 'all'))
      if (writes > 1) crashes.push(at(index + 1, 'some'))
    }
    if (writes > 0) crashes.push(at(events.length, 'all'), at(events.length, 'torn'))
    for (let i = 0; writes > 1 && i < samples; i++) {
      crashes.push(at(events.length, 'some', ` #${i}`), at(events.length, 'torn', ` #${i}`))
    }
    return crashes
  })
}

/** The writes that a crash leaves of those in flight. */
export function keptWrites(
  events: readonly Event[],
  crash: Crash,
  sector: number,
  random: Random,
): readonly Write[] {
  const flying = events
    .slice(0, crash.events)
    .flatMap((event) => (event.kind === 'write' ? [event] : []))
  if (crash.kept === 'none') return []
  if (crash.kept === 'all') return flying
  // Nearly none, nearly all, or anything between.
  const some = new Set(sample(flying, random(flying.length + 1), random))
  const torn = crash.kept === 'torn' ? flying[random(flying.length)] : undefined
  // In their order: of two writes to one place the later one wins.
  return flying.flatMap((write) => {
    if (write === torn) return [partOf(write, sector, random)]
    return some.has(write) ? [write] : []
  })
}

/** The beginning of a write, or one sector of it. */
function partOf({ offset, data }: Write, sector: number, random: Random): Write {
  const from = random(Math.ceil(data.length / sector)) * sector
  if (random(2) === 0) return { offset, data: data.subarray(0, from) }
  return { offset: offset + from, data: data.subarray(from, from + sector) }
}

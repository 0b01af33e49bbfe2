import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Event, readHistory, type Write } from './block-log.ts'
import { crashesOf, keptWrites } from './crashes.ts'
import type { FileSystem } from './file-systems.ts'
import { type Random, sample } from './random.ts'
import { copySparsely, type Recording } from './recorder.ts'
import { run, type Scratch, unmount } from './scratch.ts'

/** How many crashes to try. */
export interface ReplayOptions {
  readonly states: number
  /** Crashes with random writes lost before each flush; the more, the more there are to choose. */
  readonly samples: number
}

/** Says what is wrong in the mounted directory, given the marks made before the crash. */
export type Judge = (directory: string, marks: readonly string[]) => Promise<readonly string[]>

/** What a replay came to. */
export interface Replayed {
  /** Epochs between flushes in the recording. */
  readonly epochs: number
  /** Crashes that could be tried. */
  readonly possible: number
  readonly tried: number
  /** How many of those the file system itself did not survive; nobody can judge them. */
  readonly unmountable: number
  /** One text for each bad state. */
  readonly bad: readonly string[]
}

/** Lets the power fail at some moments of a recording, and has each state judged. */
export async function replay(
  scratch: Scratch,
  fileSystem: FileSystem,
  recording: Recording,
  random: Random,
  options: ReplayOptions,
  judge: Judge,
): Promise<Replayed> {
  const history = readHistory(recording.log)
  const possible = crashesOf(history, options.samples)
  const chosen = sample(possible, options.states, random)
  const at = (name: string): string => join(scratch.path, name)
  const [current, crashed, point] = [at('current.img'), at('crashed.img'), at('replay')]
  mkdirSync(point, { recursive: true })
  copySparsely(recording.base, current)
  writeTo(current, history.before)

  const bad: string[] = []
  let unmountable = 0
  const marks: string[] = []
  let done = 0
  for (const crash of chosen) {
    for (; done < crash.epoch; done++) {
      const events = history.epochs[done] ?? []
      writeTo(current, events.flatMap(writesIn))
      marks.push(...events.flatMap(marksIn))
    }
    const events = history.epochs[crash.epoch] ?? []
    // A new file: what has copied our mounts into its own namespace keeps the old one attached.
    rmSync(crashed, { force: true })
    copySparsely(current, crashed)
    writeTo(crashed, keptWrites(events, crash, fileSystem.sector, random))
    const before = [...marks, ...events.slice(0, crash.events).flatMap(marksIn)]
    const faults = await judgeDisk(fileSystem, crashed, point, (dir) => judge(dir, before))
    if (faults === undefined) unmountable++
    else if (faults.length > 0) bad.push([crash.name, ...faults].join('\n  '))
  }
  return {
    epochs: history.epochs.length,
    possible: possible.length,
    tried: chosen.length,
    unmountable,
    bad,
  }
}

/** Undefined if the file system does not mount, and that is known of it. */
async function judgeDisk(
  fileSystem: FileSystem,
  image: string,
  point: string,
  judge: (directory: string) => Promise<readonly string[]>,
): Promise<readonly string[] | undefined> {
  // It remembers disks by what is on them, and takes an older state of one for a copy.
  if (fileSystem.name === 'btrfs') run('btrfs', 'device', 'scan', '--forget')
  try {
    run('mount', '-t', fileSystem.name, '-o', `loop,${fileSystem.mountOptions}`, image, point)
  } catch (error) {
    if (fileSystem.mayBeLost) return undefined
    return [`the file system does not mount: ${error}`]
  }
  try {
    return await judge(join(point, 'store'))
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
  } finally {
    unmount(point)
  }
}

function writeTo(image: string, writes: readonly Write[]): void {
  const fd = openSync(image, 'r+')
  try {
    for (const { data, offset } of writes) {
      if (writeSync(fd, data, 0, data.length, offset) !== data.length) throw new Error('disk full')
    }
  } finally {
    closeSync(fd)
  }
}

function writesIn(event: Event): Write[] {
  return event.kind === 'write' ? [event] : []
}

function marksIn(event: Event): string[] {
  return event.kind === 'mark' ? [event.text] : []
}

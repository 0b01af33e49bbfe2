/** What `blkrec` logged: the history of a disk, cut into epochs by the flushes. */
import { readFileSync } from 'node:fs'

/** A write that the disk took. */
export interface Write {
  readonly offset: number
  readonly data: Uint8Array
}

/** Between two flushes: writes that the disk may have kept or not, in any order. */
export type Event =
  | ({ readonly kind: 'write' } & Write)
  | { readonly kind: 'mark'; readonly text: string }

export interface History {
  /** Written before the first mark, which only begins the history. */
  readonly before: readonly Write[]
  readonly epochs: readonly (readonly Event[])[]
}

// As blkrec.c has them.
const MAGIC = 0x52424b4c
const HEADER = 24
const TYPE = { write: 1, flush: 2, mark: 3 } as const

/** The first mark that the recorder makes, and the last. */
export const START = 'START'
export const END = 'END'

/** Reads a log from its START to its END. */
export function readHistory(path: string): History {
  const log = readFileSync(path)
  const before: Write[] = []
  const epochs: Event[][] = [[]]
  let started = false
  for (let at = 0; at < log.length; ) {
    if (log.readUInt32LE(at) !== MAGIC) throw new Error(`${path} has no record at ${at}`)
    const type = log.readUInt32LE(at + 4)
    const offset = Number(log.readBigUInt64LE(at + 8))
    const length = log.readUInt32LE(at + 16)
    const data = log.subarray(at + HEADER, at + HEADER + length)
    at += HEADER + length
    if (type === TYPE.flush) {
      if (started) epochs.push([])
    } else if (type === TYPE.write) {
      if (started) epochs.at(-1)?.push({ kind: 'write', offset, data })
      else before.push({ offset, data })
    } else if (type === TYPE.mark) {
      const text = data.toString().trim()
      if (text === END) return { before, epochs }
      if (started) epochs.at(-1)?.push({ kind: 'mark', text })
      started ||= text === START
    } else {
      throw new Error(`${path} has a record of type ${type}`)
    }
  }
  throw new Error(`${path} has no ${END}`)
}

import { readdirSync, readFileSync } from 'node:fs'
import { LayerError } from '@varve/core/errors'
import { createTarScanner, type TarEntry } from '@varve/tar'

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

const golden = new URL('../../tarsplit/test/golden/', import.meta.url)

/** The odd tars of the golden vectors, by name. */
export const oddTars: ReadonlyMap<string, Uint8Array> = new Map(
  readdirSync(golden)
    .filter((name) => name.endsWith('.tar'))
    .sort()
    .map((name) => [name, new Uint8Array(readFileSync(new URL(name, golden)))]),
)

export interface Scanned {
  readonly entries: readonly { readonly entry: TarEntry; readonly payload: Uint8Array }[]
  /** All bytes in the order in which they were handed out, raw or not. */
  readonly bytes: Uint8Array
  readonly error: LayerError | undefined
  readonly offset: number
}

/** Scans a tar that comes in chunks of these lengths; each is spoilt after its turn. */
export function scan(tar: Uint8Array, lengths: readonly number[] = [tar.length]): Scanned {
  const entries: { entry: TarEntry; payload: Uint8Array }[] = []
  const bytes: Uint8Array[] = []
  let payload: Uint8Array[] = []
  let error: LayerError | undefined
  const scanner = createTarScanner({
    raw: (part) => bytes.push(part.slice()),
    entry: (entry) => {
      payload = []
      entries.push({ entry, payload: new Uint8Array(0) })
    },
    payload: (part) => {
      bytes.push(part.slice())
      payload.push(part.slice())
    },
    entryEnd: () => {
      const { entry } = entries.pop() as { entry: TarEntry }
      entries.push({ entry, payload: concat(payload) })
    },
  })
  try {
    for (let at = 0, i = 0; at < tar.length; i++) {
      const length = Math.max(1, lengths[i % lengths.length] ?? 1)
      const chunk = tar.slice(at, at + length)
      scanner.push(chunk)
      chunk.fill(0x58)
      at += length
    }
    scanner.end()
  } catch (thrown) {
    if (!LayerError.is(thrown)) throw thrown
    error = thrown
  }
  return { entries, bytes: concat(bytes), error, offset: scanner.offset }
}

/** A sparse file's content, holes filled with NULs. */
export function expanded({ entry, payload }: Scanned['entries'][number]): Uint8Array {
  if (!entry.sparse) return payload
  const content = new Uint8Array(entry.size)
  let at = 0
  for (const { offset, length } of entry.sparse.regions) {
    content.set(payload.subarray(at, at + length), offset)
    at += length
  }
  return content
}

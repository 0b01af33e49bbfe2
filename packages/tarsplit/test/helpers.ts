import { readFileSync } from 'node:fs'
import type { ByteSource, DisplacedFile, FileGetter } from '@varve/core'
import { LayerError } from '@varve/core/errors'
import { createTarScanner, encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
import { tarSplit } from '@varve/tarsplit'

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** A file beside this one, as bytes. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`golden/${name}`, import.meta.url)))
}

export interface Golden {
  readonly name: string
  readonly why: string
  readonly go: 'ok' | 'mangled' | 'reject' | 'asm-error' | 'cap'
}

export const goldens: readonly Golden[] = JSON.parse(
  readFileSync(new URL('golden/index.json', import.meta.url), 'utf8'),
)

/** `bytes` in chunks of the given lengths, over and over. Chunks are spoilt once the next is asked for. */
export function* inChunks(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[i % lengths.length] ?? 1)
    const chunk = bytes.slice(at, at + length)
    yield chunk
    chunk.fill(0x58)
    at += length
  }
}

export async function gather(source: ByteSource): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of source) parts.push(chunk.slice())
  return concat(parts)
}

export interface Disassembled {
  readonly record: Uint8Array
  readonly passed: Uint8Array
}

export async function disassemble(
  tar: Uint8Array,
  lengths: readonly number[] = [1 << 16],
): Promise<Disassembled> {
  const record: Uint8Array[] = []
  const sink = { write: (chunk: Uint8Array) => void record.push(chunk.slice()) }
  const passed = await gather(tarSplit().disassemble(inChunks(tar, lengths), sink))
  return { record: concat(record), passed }
}

/** The first payload of each name in a tar, as far as it can be read, as a layer would hold it. */
export function payloadsOf(tar: Uint8Array): Map<string, Uint8Array> {
  const payloads = new Map<string, Uint8Array>()
  let name = ''
  let parts: Uint8Array[] = []
  const scanner = createTarScanner({
    entry: (entry) => {
      name = binary(entry.name)
      parts = []
    },
    payload: (bytes) => parts.push(bytes.slice()),
    entryEnd: () => {
      if (parts.length > 0 && !payloads.has(name)) payloads.set(name, concat(parts))
    },
  })
  try {
    scanner.push(tar)
    scanner.end()
  } catch (error) {
    if (!LayerError.is(error)) throw error
  }
  return payloads
}

/** A getter that knows these payloads and is as strict as a driver's. */
export function getter(payloads: ReadonlyMap<string, Uint8Array>, cut = 1000): FileGetter {
  return {
    open(name, size) {
      const payload = payloads.get(binary(name))
      if (payload?.length !== size) {
        throw new LayerError('ERR_CORRUPT_LAYER', `Cannot open ${binary(name)} of ${size} bytes`)
      }
      return inChunks(payload, [cut])
    },
    async [Symbol.asyncDispose]() {},
  }
}

export function assemble(
  record: Uint8Array,
  payloads: ReadonlyMap<string, Uint8Array>,
  lengths: readonly number[] = [1 << 16],
): Promise<Uint8Array> {
  return gather(tarSplit().assemble(inChunks(record, lengths), getter(payloads)))
}

export interface Line {
  type: number
  name?: string
  name_raw?: string
  size?: number
  payload: string | null
}

/** The entries of a record, without positions. */
export function linesOf(record: Uint8Array): Line[] {
  const texts = Buffer.from(record).toString().split('\n').slice(0, -1)
  return texts.map((text) => {
    const { position, ...line } = JSON.parse(text) as Line & { position: number }
    return line
  })
}

/** Joins adjacent segments and drops empty ones: Go cuts them where its reads happen to end. */
export function joined(lines: readonly Line[]): Line[] {
  const result: Line[] = []
  for (const line of lines) {
    const last = result.at(-1)
    if (line.type !== 2) result.push(line)
    else if (line.payload === '') continue
    else if (last?.type === 2) last.payload = joinBase64(last.payload ?? '', line.payload ?? '')
    else result.push({ ...line })
  }
  return result
}

function joinBase64(a: string, b: string): string {
  return Buffer.concat([Buffer.from(a, 'base64'), Buffer.from(b, 'base64')]).toString('base64')
}

/** A displaced file with this content. */
export function displaced(name: string, occurrence: number, content: Uint8Array): DisplacedFile {
  return { name: utf8(name), occurrence, size: content.length, open: () => [content] }
}

/** A tar of regular files, in this order. */
export function tarOf(...files: readonly (readonly [name: string, content: string])[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [name, text] of files) {
    const content = utf8(text)
    const meta = { mode: 0o644, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } }
    const header = { ...meta, type: 'file', name: utf8(name), size: content.length } as const
    parts.push(encodeHeader(header), content, paddingFor(content.length))
  }
  return concat([...parts, endOfArchive()])
}

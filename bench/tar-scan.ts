/**
 * Measures what the tar scanner and the checksum of `@varve/tarsplit` cost, beside what else there
 * is: `npx node --conditions=@varve/source bench/tar-scan.ts`.
 *
 * CPU seconds of this process, interleaved, medians of five. Quote the ratios, not the seconds.
 */
import { crc32 } from 'node:zlib'
import { createTarScanner, encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
import { tarSplit } from '@varve/tarsplit'
import { extract } from 'tar-stream'
import { crc64 } from '../packages/tarsplit/src/crc64.ts'

const MIB = 1 << 20
const ROUNDS = 5
const ENTRIES = 70_000

/** A tar like that of a large `node_modules`: many small files. */
function smallFiles(): Uint8Array[] {
  const mtime = { sec: 1_700_000_000, nsec: 0 }
  const meta = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime } as const
  const parts: Uint8Array[] = []
  for (let i = 0; i < ENTRIES; i++) {
    const path = `usr/lib/node_modules/package-${i >> 6}/dist/esm/component-${i & 63}/index-${i}.js`
    const size = ((i * 2_654_435_761) >>> 0) % 12_000
    parts.push(encodeHeader({ ...meta, name: new TextEncoder().encode(path), size }))
    parts.push(new Uint8Array(size).fill(i), paddingFor(size))
  }
  return inChunks(Buffer.concat([...parts, endOfArchive()]))
}

function inChunks(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += MIB) chunks.push(bytes.subarray(at, at + MIB))
  return chunks
}

async function cpuSeconds(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

/** Runs all of them in turn, several times; returns the median of each. */
async function measure(
  contenders: Readonly<Record<string, () => Promise<void> | void>>,
): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(contenders)) {
      times.get(name)?.push(await cpuSeconds(work))
    }
  }
  const median = (list: number[]): number => list.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0
  return new Map([...times].map(([name, list]) => [name, median(list)]))
}

function table(title: string, times: ReadonlyMap<string, number>, bytes: number): void {
  const [first = 1] = times.values()
  console.log(`\n${title}\n\n| | CPU s | MB/s | ratio |\n|---|---|---|---|`)
  for (const [name, seconds] of times) {
    const rate = (bytes / seconds / 1e6).toFixed(0)
    console.log(`| ${name} | ${seconds.toFixed(3)} | ${rate} | ${(seconds / first).toFixed(1)} |`)
  }
}

function scan(chunks: readonly Uint8Array[]): void {
  const scanner = createTarScanner({
    entry: () => {},
    payload: () => {},
    entryEnd: () => {},
  })
  for (const chunk of chunks) scanner.push(chunk)
  scanner.end()
}

async function scanWithTarStream(chunks: readonly Uint8Array[]): Promise<void> {
  const stream = extract()
  const feed = async (): Promise<void> => {
    for (const chunk of chunks) {
      if (!stream.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))) {
        await new Promise((resolve) => stream.once('drain', () => resolve(undefined)))
      }
    }
    stream.end(undefined)
  }
  const fed = feed()
  for await (const entry of stream) entry.resume()
  await fed
}

async function split(chunks: readonly Uint8Array[]): Promise<void> {
  const sink = { write: () => undefined }
  for await (const _ of tarSplit().disassemble(chunks, sink));
}

async function record(chunks: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const buffers: Uint8Array[] = []
  const sink = { write: (buffer: Uint8Array) => void buffers.push(buffer) }
  for await (const _ of tarSplit().disassemble(chunks, sink));
  return buffers
}

/** The textbook way with one table of 256 entries, as two halves of 32 bits. */
function tableCrc(): (bytes: Uint8Array) => void {
  const low = new Int32Array(256)
  const high = new Int32Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = BigInt(i)
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1n ? (crc >> 1n) ^ 0xd800000000000000n : crc >> 1n
    }
    low[i] = Number(BigInt.asIntN(32, crc))
    high[i] = Number(BigInt.asIntN(32, crc >> 32n))
  }
  let [l, h] = [-1, -1]
  return (bytes) => {
    for (let i = 0; i < bytes.length; i++) {
      const at = (l ^ (bytes[i] as number)) & 255
      l = ((l >>> 8) | (h << 24)) ^ (low[at] as number)
      h = (h >>> 8) ^ (high[at] as number)
    }
  }
}

const tar = smallFiles()
const tarBytes = tar.reduce((sum, chunk) => sum + chunk.length, 0)
const scans = await measure({
  '@varve/tar': () => scan(tar),
  'tar-stream': () => scanWithTarStream(tar),
})
table(`Scan of ${ENTRIES} entries, ${(tarBytes / 1e6).toFixed(0)} MB`, scans, tarBytes)

const payloads = new Map<string, Uint8Array>()
let current: Uint8Array[] = []
let currentName = ''
const collector = createTarScanner({
  entry: (entry) => {
    currentName = new TextDecoder().decode(entry.name)
    current = []
  },
  payload: (part) => current.push(part),
  entryEnd: () =>
    payloads.set(
      currentName,
      current.length === 1 ? (current[0] as Uint8Array) : Buffer.concat(current),
    ),
})
for (const chunk of tar) collector.push(chunk)
const files = {
  open: (name: Uint8Array) => [payloads.get(new TextDecoder().decode(name)) ?? new Uint8Array(0)],
  [Symbol.asyncDispose]: async () => {},
}
const lines = await record(tar)
const both = await measure({
  disassemble: () => split(tar),
  assemble: async () => {
    for await (const _ of tarSplit().assemble(lines, files));
  },
})
table(`tar-split of ${ENTRIES} entries, ${(tarBytes / 1e6).toFixed(0)} MB`, both, tarBytes)

const sums = await measure({
  'shift and xor (ours)': () => {
    const crc = crc64()
    for (const chunk of tar) crc.update(chunk)
  },
  'one table of 256': () => {
    const update = tableCrc()
    for (const chunk of tar) update(chunk)
  },
  'CRC-32 of node:zlib, for comparison': () => {
    let sum = 0
    for (const chunk of tar) sum = crc32(chunk, sum)
  },
})
table('CRC-64/GO-ISO', sums, tarBytes)

/**
 * One case of `memory.test.ts`: prints by how many MB the process grew while it ran. By hand also
 * with more data: `node --conditions=@varve/source memory-child.ts padding 20`, for 20 GiB.
 */
import { encodeHeader } from '@varve/tar'
import { tarSplit } from '@varve/tarsplit'

const MIB = 1 << 20
/** How much data, in MiB. */
const AMOUNT = Number(process.argv[3] ?? 1) * 1024
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const meta = { mode: 0o644, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } }
const junk = new Uint8Array(MIB).map((_, i) => i * 7)

function file(name: string, size: number): Uint8Array {
  return encodeHeader({ ...meta, type: 'file', name: utf8(name), size })
}

function* times(chunk: Uint8Array, count: number): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) yield chunk
}

const cases: Readonly<Record<string, () => Generator<Uint8Array>>> = {
  *padding() {
    yield new Uint8Array(1024)
    yield* times(junk, AMOUNT)
  },
  *claim() {
    yield file('big', AMOUNT * MIB)
    yield* times(junk, AMOUNT)
  },
  *sparse() {
    // Old GNU: a map of one region that holds nothing, a real size of 0, data all the same.
    const header = file('hole', AMOUNT * MIB)
    header[156] = 0x53
    header.set(utf8('ustar  \0'), 257)
    header.fill(0, 345)
    header.fill(0x20, 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
    yield header
    yield* times(junk, AMOUNT)
  },
  *entries() {
    const chunk = new Uint8Array(MIB)
    for (let at = 0; at < MIB; at += 1024) {
      chunk.set(file('usr/lib/node_modules/package/dist/file-000000000.js', 10), at)
      chunk.set(utf8('0123456789'), at + 512)
    }
    for (let i = 0; i < 1_000_000; ) {
      for (let at = 0; at < MIB; at += 1024) number(chunk, at, i++)
      yield chunk
    }
  },
}

/** Writes `i` in the name of the header at `at`, and corrects its checksum. */
function number(chunk: Uint8Array, at: number, i: number): void {
  let sum = Number.parseInt(String.fromCharCode(...chunk.subarray(at + 148, at + 154)), 8)
  const digits = String(i).padStart(9, '0')
  for (let d = 0; d < 9; d++) {
    const place = at + 39 + d
    sum += digits.charCodeAt(d) - (chunk[place] as number)
    chunk[place] = digits.charCodeAt(d)
  }
  const octal = sum.toString(8).padStart(6, '0')
  for (let d = 0; d < 6; d++) chunk[at + 148 + d] = octal.charCodeAt(d)
}

let most = 0
const start = process.memoryUsage().rss
function look(): void {
  most = Math.max(most, process.memoryUsage().rss - start)
}

async function disassembleCase(source: Generator<Uint8Array>): Promise<void> {
  let chunks = 0
  for await (const _ of tarSplit().disassemble(source, { write: () => undefined })) {
    if (++chunks % 64 === 0) look()
  }
}

async function longLine(): Promise<void> {
  function* record(): Generator<Uint8Array> {
    yield utf8('{"type":2,"payload":"')
    yield* times(utf8('QUJD'.repeat(MIB / 4)), AMOUNT)
    yield utf8('","position":0}\n')
  }
  const none = { open: () => [], [Symbol.asyncDispose]: async () => {} }
  for await (const _ of tarSplit().assemble(record(), none)) look()
}

const name = process.argv[2] ?? ''
const source = cases[name]
if (source) await disassembleCase(source())
else await longLine()
look()
process.stdout.write(String(Math.round(most / MIB)))

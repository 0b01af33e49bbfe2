import {
  type ByteSource,
  collect,
  type DisplacedFile,
  digestOf,
  type FileGetter,
  LayerError,
  type RecordSink,
  type TarSplitCodec,
} from '@varve/core'
import { bytesOf, concat, type Raw, raw } from '../tar/bytes.ts'
import { checkSum, numberField, textField } from '../tar/fields.ts'

/** One line of a record: bytes as they are, or a payload that the layer holds. */
type Line =
  | { readonly bytes: string }
  | { readonly name: string; readonly size: number; readonly digest: string }

const LIMIT = 2 ** 28

/**
 * A codec in its shortest form: all in memory, with records in a format of its own. Only the
 * payloads of plainly named files are left out of a record; whatever else a tar may hold is in it.
 * For tests of stores and for comparison; `@varve/tarsplit` is the real one.
 *
 * @example
 * ```ts
 * import { openStore } from '@varve/core'
 * import { memoryCodec, memoryDriver, memoryMetadata, tarOf } from '@varve/testkit'
 *
 * const driver = memoryDriver({ exactDiffs: false })
 * await using store = await openStore({ driver, metadata: memoryMetadata(), codec: memoryCodec() })
 * const layer = await store.register([tarOf([{ name: 'a', data: 'hi' }])])
 * console.assert(layer.diffSize === 2)
 * ```
 */
export function memoryCodec(): TarSplitCodec {
  return { disassemble, assemble, inline }
}

async function* disassemble(tar: ByteSource, sink: RecordSink): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) {
    chunks.push(chunk.slice())
    yield chunk
  }
  for (const line of linesOf(concat(chunks))) await sink.write(encode(line))
}

async function* assemble(record: ByteSource, files: FileGetter): AsyncGenerator<Uint8Array> {
  for (const line of await decode(record)) {
    if ('bytes' in line) {
      yield bytesOf(fromBase64(line.bytes))
      continue
    }
    const payload = await collect(files.open(bytesOf(fromBase64(line.name)), line.size), LIMIT)
    if (payload.length !== line.size || digestOf(payload) !== line.digest) {
      throw new LayerError('ERR_CORRUPT_LAYER', 'Cannot give back a tar: a payload has changed')
    }
    yield payload
  }
}

async function* inline(
  record: ByteSource,
  displaced: readonly DisplacedFile[],
): AsyncGenerator<Uint8Array> {
  const seen = new Map<Raw, number>()
  for (const line of await decode(record)) {
    if ('bytes' in line) {
      yield encode(line)
      continue
    }
    const name = fromBase64(line.name)
    const occurrence = seen.get(name) ?? 0
    seen.set(name, occurrence + 1)
    const found = displaced.find(
      (file) => raw(file.name) === name && file.occurrence === occurrence,
    )
    yield encode(found ? { bytes: toBase64(raw(await collect(found.open(), LIMIT))) } : line)
  }
}

/** Cuts the payloads of plain files out; stops cutting at the first thing that is not plain. */
function linesOf(tar: Uint8Array): Line[] {
  const lines: Line[] = []
  let kept = 0
  let at = 0
  let plain = true
  while (at + 512 <= tar.length) {
    const block = tar.subarray(at, at + 512)
    const size = sizeIn(block)
    if (size === undefined) break
    const flag = block[156] ?? 0
    const payload = tar.subarray(at + 512, at + 512 + size)
    if (plain && isFile(flag) && size > 0 && payload.length === size) {
      lines.push({ bytes: toBase64(raw(tar.subarray(kept, at + 512))) })
      lines.push({ name: toBase64(nameIn(block)), size, digest: digestOf(payload) })
      kept = at + 512 + size
    }
    // What follows an extension header has its name and size there: it is kept as it is.
    plain = !'xLKgS'.includes(String.fromCharCode(flag))
    at += 512 + (hasData(flag) ? Math.ceil(size / 512) * 512 : 0)
    if (!plain && flag === 0x78) break
  }
  lines.push({ bytes: toBase64(raw(tar.subarray(kept))) })
  return lines
}

function sizeIn(block: Uint8Array): number | undefined {
  try {
    checkSum(block)
    const size = numberField(block, 124, 12)
    return size >= 0n && size <= BigInt(LIMIT) ? Number(size) : undefined
  } catch {
    return undefined
  }
}

function isFile(flag: number): boolean {
  return flag === 0 || flag === 0x30
}

/** Types 1 to 6 have no data, whatever their size says. */
function hasData(flag: number): boolean {
  return flag < 0x31 || flag > 0x36
}

function nameIn(block: Uint8Array): Raw {
  const name = textField(block, 0, 100)
  const prefix = textField(block, 257, 6) === 'ustar' ? textField(block, 345, 155) : ''
  return prefix ? `${prefix}/${name}` : name
}

function encode(line: Line): Uint8Array {
  const text = JSON.stringify(line)
  return bytesOf(`${digestOf(text).slice(7, 15)} ${text}\n`)
}

async function decode(record: ByteSource): Promise<Line[]> {
  const text = raw(await collect(record, LIMIT))
  if (text === '' || !text.endsWith('\n')) throw corrupt('it is cut short')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const json = line.slice(9)
      if (line.slice(0, 9) !== `${digestOf(json).slice(7, 15)} `)
        throw corrupt('a line has changed')
      return JSON.parse(json) as Line
    })
}

function corrupt(why: string): LayerError {
  return new LayerError('ERR_CORRUPT_RECORD', `Cannot read a record: ${why}`)
}

function toBase64(value: Raw): string {
  return btoa(value)
}

function fromBase64(value: string): Raw {
  return atob(value)
}

import { LayerError } from '@varve/core'

/** What a line of a record stands for. */
export type RecordLine =
  | { readonly kind: 'segment'; readonly size: number }
  | { readonly kind: 'file'; readonly name: Uint8Array; readonly size: number }

/** Longest line: a segment of 1 MiB in base64, or a name of as much with every byte escaped. */
const LINE_LIMIT = 8 * 2 ** 20

/** The lines of a record that our own codec wrote: one JSON object on each. */
export async function* recordLines(record: AsyncIterable<Uint8Array>): AsyncGenerator<RecordLine> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of record) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > LINE_LIMIT) throw corrupt('a line is longer than any that varve writes')
    for (const line of lines) yield parseLine(line)
  }
  if (rest !== '') throw corrupt('its last line is cut off')
}

function parseLine(line: string): RecordLine {
  const { type, name, name_raw, size, payload } = JSON.parse(line)
  if (type === 2) return { kind: 'segment', size: Buffer.byteLength(payload, 'base64') }
  const bytes =
    name_raw === undefined ? new TextEncoder().encode(name ?? '') : Buffer.from(name_raw, 'base64')
  return { kind: 'file', name: bytes, size: payload === null ? 0 : (size ?? 0) }
}

function corrupt(why: string): LayerError {
  return new LayerError('ERR_CORRUPT_RECORD', `Cannot read the record: ${why}`)
}

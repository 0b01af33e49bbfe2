import type { ByteSource, DisplacedFile } from '@varve/core'
import { crc64 } from './crc64.ts'
import { corruptPayload } from './faults.ts'
import type { FileItem } from './record-entry.ts'
import { RecordReader } from './record-reader.ts'
import { RecordWriter } from './record-writer.ts'

/** See `TarSplitCodec.inline`. */
export async function* inline(
  record: ByteSource,
  displaced: readonly DisplacedFile[],
): AsyncGenerator<Uint8Array> {
  const wanted = new Map<string, DisplacedFile>()
  for (const file of displaced) {
    // Later occurrences of a name are segments already: see `tarSplit`.
    if (file.occurrence === 0) wanted.set(keyOf(file.name), file)
  }
  const reader = new RecordReader()
  const writer = new RecordWriter()
  for await (const text of record) {
    reader.feed(text)
    for (let item = reader.next(); item; item = reader.next()) {
      if (item.type === 'segment') writer.segment(item.bytes)
      else {
        const file = item.size > 0n && wanted.size > 0 && wanted.get(keyOf(item.name))
        if (file) yield* payload(file, item, writer)
        else writer.file(item)
      }
      yield* writer.take()
    }
  }
  reader.finish()
  writer.end()
  yield* writer.take(true)
}

async function* payload(
  file: DisplacedFile,
  item: FileItem,
  writer: RecordWriter,
): AsyncGenerator<Uint8Array> {
  const crc = crc64()
  let length = 0n
  for await (const bytes of file.open()) {
    crc.update(bytes)
    length += BigInt(bytes.length)
    writer.segment(bytes)
    yield* writer.take()
  }
  if (length !== item.size || !item.checksum || !crc.matches(item.checksum)) {
    throw corruptPayload(item.name, 'was set aside with other content than was recorded')
  }
}

function keyOf(name: Uint8Array): string {
  let key = ''
  for (const byte of name) key += String.fromCharCode(byte)
  return key
}

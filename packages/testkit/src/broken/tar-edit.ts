import { type ByteSource, collect, LayerError, toStream } from '@varve/core'
import { type TarEntry, tarOf } from '../tar/build.ts'
import { bytesOf } from '../tar/bytes.ts'
import { itemsOf, type TarItem } from '../tar/read.ts'

/** What becomes of an entry; undefined: it is dropped. */
export type EditEntry = (entry: TarEntry, item: TarItem) => TarEntry | undefined

/** A tar with each entry edited; what cannot be read as a tar is passed on as it is. */
export async function editTar(source: ByteSource, edit: EditEntry): Promise<Uint8Array> {
  const bytes = await collect(source, 2 ** 28)
  try {
    const entries = (await itemsOf([bytes])).flatMap((item) => edit(entryOf(item), item) ?? [])
    return tarOf(entries)
  } catch (error) {
    if (LayerError.is(error)) return bytes
    throw error
  }
}

/** The same for a stream that a driver gave. */
export function editStream(
  stream: ReadableStream<Uint8Array>,
  edit: EditEntry,
): ReadableStream<Uint8Array> {
  return toStream(
    (async function* () {
      yield await editTar(stream as AsyncIterable<Uint8Array>, edit)
    })(),
  )
}

function entryOf(item: TarItem): TarEntry {
  const { mode, type, data } = item
  return {
    name: bytesOf(item.name),
    link: bytesOf(item.link),
    type,
    mode,
    data,
    uid: Number(item.uid),
    gid: Number(item.gid),
    mtime: Number(item.mtime / 1_000_000_000n),
    major: Number(item.major),
    minor: Number(item.minor),
    xattrs: Object.fromEntries(item.xattrs),
  }
}

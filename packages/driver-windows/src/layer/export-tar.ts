import { encodeHeader, endOfArchive } from '@varve/tar'
import { writeBackupToTar } from '../codec/to-tar.ts'
import type { LayerItem } from './layer-reader.ts'

/** The layer tar of these items, byte for byte as Docker on Windows writes it. */
export async function* exportTar(items: AsyncIterable<LayerItem>): AsyncGenerator<Uint8Array> {
  for await (const { name, file } of items) {
    if (file) {
      const { info, size } = file
      const stream = file.once ? file.open() : { open: () => file.open() }
      yield* writeBackupToTar({ name, size, info, stream })
    } else {
      yield whiteoutOf(name)
    }
  }
  yield endOfArchive()
}

/** Go's header of nothing but a name (moby `writeTarFromLayer`). */
function whiteoutOf(name: string): Uint8Array {
  const path = name.replaceAll('\\', '/').replace(/([^/]*)$/, '.wh.$1')
  return encodeHeader({
    type: 'file',
    name: new TextEncoder().encode(path),
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: { sec: 0, nsec: 0 },
  })
}

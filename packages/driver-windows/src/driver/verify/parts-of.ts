import { createHash } from 'node:crypto'
import { BackupReader, STREAM } from '../../codec/backup-stream.ts'

/** How the parts of a backup stream are called in a difference. */
const TITLES: ReadonlyMap<number, string> = new Map([
  [STREAM.extendedAttributes, 'extended attributes'],
  [STREAM.security, 'security'],
  [STREAM.reparse, 'link'],
])

/** Digests of what a backup stream holds beside a file's data, by what it is. */
export async function partsOf(stream: AsyncIterable<Uint8Array>): Promise<Map<string, string>> {
  const parts = new Map<string, string>()
  const reader = new BackupReader(stream)
  try {
    for (let part = await reader.next(); part; part = await reader.next()) {
      const title =
        part.id === STREAM.alternate
          ? `stream ${part.name.replace(/:\$DATA$/, '')}`
          : TITLES.get(part.id)
      if (title === undefined) continue
      const hash = createHash('sha256')
      for await (const bytes of reader.data()) hash.update(bytes)
      parts.set(title, hash.digest('base64'))
    }
    return parts
  } finally {
    await reader.close()
  }
}

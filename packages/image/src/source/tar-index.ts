import type { FileHandle } from 'node:fs/promises'
import { posix } from 'node:path'
import { LayerError } from '@varve/core'
import { extract as newExtract, type Header as TarHeader } from 'tar-stream'
import { safeName } from './file-tree.ts'

/** An entry of a tar in a file. */
export type TarEntry =
  | { readonly kind: 'file'; readonly start: number; readonly size: number }
  /** `target` is a path from the top of the archive. */
  | { readonly kind: 'link'; readonly target: string }

/** What tar-stream gives at run time; its types lack `byteOffset`. */
interface Header extends TarHeader {
  readonly byteOffset: number
}

/** v7 tars have no magic number; tar-stream's types lack its option for them. */
type ExtractOptions = NonNullable<Parameters<typeof newExtract>[0]> & {
  readonly allowUnknownFormat: true
}

const BLOCK = 512
/** An archive of 125-layer images has a few hundred entries for each. */
const MAX_ENTRIES = 200_000

/**
 * Where each file of a tar begins. Only headers are read, so that an archive of many gigabytes is
 * indexed in milliseconds: a fresh tar-stream reads each header, then the body is skipped.
 *
 * @throws LayerError `ERR_INVALID_IMAGE` if it is no tar, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`
 */
export async function indexTar(file: FileHandle, label: string): Promise<Map<string, TarEntry>> {
  const { size: end } = await file.stat()
  const entries = new Map<string, TarEntry>()
  let at = 0
  while (at < end) {
    const header = await readHeader(file, at, label)
    if (!header) return entries
    const { size } = header
    const start = at + header.byteOffset
    const isFile = header.type === 'file' || header.type === 'contiguous-file'
    const body = isFile ? size : 0
    if (start + body > end) {
      throw new LayerError('ERR_TRUNCATED', `Cannot read ${label}: it ends inside ${header.name}`, {
        data: { name: header.name, expected: start + body, got: end },
        hint: 'The archive is incomplete; copy it again',
      })
    }
    // As when the archive is unpacked, the last entry of a name counts.
    const name = safeName(header.name, label)
    const entry = toEntry(header, name, start)
    if (entry) entries.set(name, entry)
    if (entries.size > MAX_ENTRIES) {
      throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${label}: it has too many entries`, {
        data: { limit: MAX_ENTRIES },
      })
    }
    at = start + Math.ceil(body / BLOCK) * BLOCK
  }
  return entries
}

function toEntry(header: Header, name: string, start: number): TarEntry | undefined {
  const { type } = header
  const target = header.linkname || ''
  if (type === 'file' || type === 'contiguous-file') {
    return { kind: 'file', start, size: header.size }
  }
  if (type === 'link') return { kind: 'link', target }
  if (type !== 'symlink') return undefined
  // Joining would make an absolute target relative; it must be seen as the escape that it is.
  const isAbsolute = target.startsWith('/')
  return { kind: 'link', target: isAbsolute ? target : posix.join(posix.dirname(name), target) }
}

/** The header at `at`, long names resolved; undefined at the end of the archive. */
async function readHeader(
  file: FileHandle,
  at: number,
  label: string,
): Promise<Header | undefined> {
  const options: ExtractOptions = { allowUnknownFormat: true }
  const extract = newExtract(options)
  let header: Header | undefined
  let failure: Error | undefined
  extract.on('entry', (found, body) => {
    body.on('error', () => undefined)
    header = found as Header
  })
  extract.on('error', (error: Error) => {
    failure ??= error
  })
  try {
    let step = BLOCK
    for (let offset = at; !header && !failure; ) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(step), 0, step, offset)
      const block = buffer.subarray(0, bytesRead)
      if (offset === at && block.every((byte) => byte === 0)) return undefined
      if (bytesRead === 0 || bytesRead < BLOCK) {
        throw new LayerError('ERR_TRUNCATED', `Cannot read ${label}: it ends inside a header`, {
          data: { offset },
          hint: 'The archive is incomplete; copy it again',
        })
      }
      offset += bytesRead
      // The first header says most; only long names need more, and tar-stream bounds those.
      if (offset > at + BLOCK) step = Math.min(step * 2, 256 * 1024)
      extract.write(block)
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (failure) {
      throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${label}: it is not a sound tar`, {
        cause: failure,
        data: { offset: at },
      })
    }
    return header
  } finally {
    extract.destroy()
  }
}

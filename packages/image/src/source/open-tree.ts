import { createReadStream } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { decompress, detectFormat, MAGIC_LENGTH } from '@varve/archive'
import { type ByteSource, cleanUp, wrapError } from '@varve/core'
import { writeAll } from '../disk/files.ts'
import { openDirectoryTree } from './directory-tree.ts'
import type { FileTree } from './file-tree.ts'
import { openTarTree } from './tar-tree.ts'

/** What {@link openTree} needs to keep a stream for as long as it is read. */
export interface TreeOptions {
  /** A new file without a name, gone as soon as it is closed. */
  readonly scratch: () => Promise<FileHandle>
  readonly signal?: AbortSignal | undefined
}

/**
 * The files of a directory, of a tar in a file, or of a tar in a stream.
 *
 * A plain tar in a file is read in place. A stream is kept in a scratch file first, because the
 * document that says what its blobs are stands at its end; so is a compressed tar.
 */
export async function openTree(
  source: string | ByteSource,
  options: TreeOptions,
): Promise<FileTree> {
  if (typeof source !== 'string') return await spool(source, 'the stream', options)
  const attempt = `Cannot read ${source}`
  try {
    const info = await stat(source)
    if (info.isDirectory()) return await openDirectoryTree(source)
    // A pipe or a device, as /dev/stdin may be.
    if (!info.isFile()) return await spool(createReadStream(source), source, options)
    const file = await open(source, 'r')
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_LENGTH), 0, MAGIC_LENGTH, 0)
      const isPlain = detectFormat(buffer.subarray(0, bytesRead)) === 'none'
      if (isPlain) return await openTarTree(file, source)
    } catch (error) {
      throw await cleanUp(error, () => file.close())
    }
    await file.close()
    return await spool(createReadStream(source, { highWaterMark: 1024 * 1024 }), source, options)
  } catch (error) {
    throw wrapError(error, attempt, { path: source })
  }
}

async function spool(source: ByteSource, label: string, options: TreeOptions): Promise<FileTree> {
  const { signal } = options
  const file = await options.scratch()
  try {
    const { bytes } = await decompress(source, signal ? { signal } : {})
    for await (const chunk of bytes) await writeAll(file, chunk)
    return await openTarTree(file, label)
  } catch (error) {
    throw await cleanUp(wrapError(error, `Cannot read ${label}`), () => file.close())
  }
}

/** What a tag without a repository is a tag of: `alpine` for `/images/alpine.tar.gz`. */
export function nameOfSource(source: string | ByteSource): string | undefined {
  if (typeof source !== 'string') return undefined
  return basename(source).replace(/(\.(oci|docker))?(\.tar)?(\.(gz|zst|zstd)|\.tgz)?$/, '')
}

import {
  type ByteSource,
  type CallOptions,
  checkAborted,
  interruptible,
  LayerError,
} from '@varve/core'
import { ATTRIBUTE, type FileBasicInfo } from '../codec/file-info.ts'
import { readTarFiles, type TarFile } from '../codec/from-tar.ts'
import { layerNameOf, linkTargetOf, unsafe } from './layer-name.ts'
import type { LayerWriter } from './layer-writer.ts'
import { type AsidePayload, Payloads } from './payloads.ts'

/** What {@link importTar} did. */
export interface ImportedTar {
  /** Bytes of all files, as Docker counts them. */
  readonly size: number
  readonly displaced: readonly AsidePayload[]
}

/** How {@link importTar} works. */
export interface ImportOptions extends CallOptions {
  /** A directory of one's own for payloads that the layer does not keep. */
  readonly asideDir: string
  /** Whether `a` and `A` are two files. */
  readonly caseSensitive: boolean
}

/** Fills a layer with what a tar holds; the writer is still to be closed. */
export async function importTar(
  tar: ByteSource,
  writer: LayerWriter,
  options: ImportOptions,
): Promise<ImportedTar> {
  const attempt = 'Cannot apply the layer'
  checkAborted(options.signal, attempt)
  const payloads = new Payloads(options.asideDir, options.caseSensitive, (name) =>
    writer.reopen(name),
  )
  let size = 0
  const source = interruptible(tar, options.signal, attempt)
  for await (const file of readTarFiles(source)) {
    checkAborted(options.signal, attempt)
    const name = layerNameOf(file.entry.name)
    const isDirectory = file.entry.type === 'directory'
    if (!isDirectory && (name.kind === 'root' || (name.kind === 'file' && isTop(name.path)))) {
      throw unsafe(file.name, 'the layer’s own folders are directories')
    }
    if (name.kind === 'root') continue
    if (name.kind === 'file') {
      size += await addFile(file, name.path, writer, payloads)
      for (const alternate of file.alternates) size += alternate.size
    } else {
      await payloads.neverWritten(file)
      if (name.kind === 'whiteout' || name.kind === 'opaque') await writer.hide(name.path)
    }
  }
  return { size, displaced: payloads.displaced }
}

/** `Files`, `Hives` or `UtilityVM` itself. */
function isTop(path: string): boolean {
  return !path.includes('\\')
}

async function addFile(
  file: TarFile,
  path: string,
  writer: LayerWriter,
  payloads: Payloads,
): Promise<number> {
  const { entry } = file
  if (entry.type === 'link') {
    const target = linkTargetOf(entry.linkname)
    await payloads.replace(path, false)
    await writer.addLink(path, target)
    return 0
  }
  if (entry.type !== 'file' && entry.type !== 'directory' && entry.type !== 'symlink') {
    throw new LayerError(
      'ERR_INVALID_TAR',
      `Cannot apply ${file.name}: Windows has no ${entry.type}`,
      {
        data: { name: file.name, type: entry.type },
      },
    )
  }
  await payloads.replace(path, entry.type === 'directory')
  await writer.add(path, infoFor(file))
  // Its payload is not its data, and so has to be kept beside it.
  const stream = entry.sparse ? await payloads.keep(file) : file.stream
  for await (const bytes of stream) await writer.write(bytes)
  payloads.written(path, file)
  return file.size
}

/** The attributes say what kind of file is made, whatever made the tar. */
export function infoFor({ entry, info }: TarFile): FileBasicInfo {
  const { type } = entry
  let { attributes } = info
  if (type === 'directory') attributes |= ATTRIBUTE.directory
  if (type === 'file') attributes &= ~(ATTRIBUTE.directory | ATTRIBUTE.reparsePoint)
  if (type === 'directory') attributes &= ~ATTRIBUTE.reparsePoint
  if (type === 'symlink') attributes |= ATTRIBUTE.reparsePoint
  return { ...info, attributes: attributes >>> 0 || ATTRIBUTE.archive }
}

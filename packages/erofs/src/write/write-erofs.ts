import type { ByteSource, CallOptions } from '@varve/core'
import { LayerError } from '@varve/core/errors'
import { createTarScanner } from '@varve/tar'
import { EntryApplier } from '../apply/entry-applier.ts'
import { DEFAULT_LIMITS, type ErofsLimits } from '../apply/limits.ts'
import {
  DEVICE_SLOT_SIZE,
  type DeviceSlot,
  encodeDevices,
  encodeSuperblock,
  SUPERBLOCK_OFFSET,
} from '../format/superblock.ts'
import { encodeTarNote, type TarPlace } from '../format/tar-note.ts'
import type { ImageFile } from '../storage.ts'
import type { Extent } from '../tree/files.ts'
import { ROOT, Tree } from '../tree/tree.ts'
import { copyPieces } from './copy-pieces.ts'
import { layOut, requireAddress } from './layout.ts'
import { writeMetadata } from './write-metadata.ts'

/** A tar's own blocks, so that its payloads can be addressed where they are. */
const BLOCK_BITS = 9
const BLOCK = 512
const HEADER_BYTES = 4096

/** How {@link writeErofs} works. */
export interface WriteErofsOptions extends CallOptions {
  /**
   * The layers beneath, as `loadTree` gives them: the image shows all layers as one tree, and needs
   * their images beside it. It is changed: it is then the tree of what was written. Default: none.
   */
  readonly below?: Tree
  /** 16 bytes that name the image, asked for once the tar has been read. Default: zeros. */
  readonly uuid?: () => Uint8Array
  /** The name under which an extended attribute is kept; undefined to leave it out. */
  readonly xattrName?: (name: string) => string | undefined
  readonly limits?: ErofsLimits
}

/** What {@link writeErofs} wrote. */
export interface WrittenErofs {
  /** Everything that the image shows. */
  readonly tree: Tree
  readonly tar: TarPlace
  /** Of the whole image, in blocks of 512 bytes. */
  readonly blocks: number
  /** Entries of the tar. */
  readonly entries: number
  /** Sum of the sizes that the headers say, in bytes: as Docker counts a layer's. */
  readonly size: number
  /** Extended attributes that no file system of Linux would have kept. */
  readonly omittedXattrs: number
}

/**
 * Writes an EROFS image whose data is a tar, byte for byte: the tar goes where it is written as it
 * comes, and metadata behind it that points into it. Nothing is unpacked, and memory holds the
 * names and the metadata of the files only: 20 MB for 70,000 of them, 330 for a million.
 *
 * Whiteouts remove what the layers beneath have. The same tars give the same image.
 *
 * @param file empty; if this fails, what is in it is no image
 * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`, `ERR_LIMIT_EXCEEDED`,
 *   `ERR_ABORTED`, and whatever the source and the file throw
 *
 * @example
 * ```ts
 * import { memoryFile, openErofs, writeErofs } from '@varve/erofs'
 * import { encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
 *
 * const text = new TextEncoder()
 * const content = text.encode('welcome\n')
 * const header = encodeHeader({
 *   type: 'file',
 *   name: text.encode('etc/motd'),
 *   mode: 0o644,
 *   uid: 0,
 *   gid: 0,
 *   size: content.length,
 *   mtime: { sec: 1_700_000_000, nsec: 0 },
 * })
 * const file = memoryFile()
 * await writeErofs(file, [header, content, paddingFor(content.length), endOfArchive()])
 *
 * const image = await openErofs(file)
 * const [part] = await Array.fromAsync(image.read('/etc/motd'))
 * console.assert(new TextDecoder().decode(part) === 'welcome\n')
 * ```
 */
export async function writeErofs(
  file: ImageFile,
  tar: ByteSource,
  options: WriteErofsOptions = {},
): Promise<WrittenErofs> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const tree = options.below ?? new Tree([], limits.files)
  const tableBytes = tree.devices.length * DEVICE_SLOT_SIZE
  const tarStart = HEADER_BYTES + Math.ceil(tableBytes / HEADER_BYTES) * HEADER_BYTES
  const xattrName = options.xattrName ?? ((name: string) => name)
  const applier = new EntryApplier(tree, { limits, xattrName, tarStart })
  const size = await writeTar(file, tar, tarStart, applier, options)
  let start = Math.ceil((tarStart + size) / BLOCK)
  for (const pending of applier.made.copies) {
    const { extents, end } = await copyPieces(file, pending, tarStart, start)
    tree.files.extents[tree.files.data[pending.file] as number] = extents
    start = end
  }
  const extentsOf = (each: number): readonly Extent[] =>
    tree.files.extents[tree.files.data[each] as number] ?? []
  const layout = layOut(tree, { blockBits: BLOCK_BITS, start, extentsOf })
  const devices = placeDevices(tree, layout.end)
  const base = [...devices.map(({ address }) => address), 0]
  const baseOf = (each: number) => base[tree.files.device[each] as number] ?? 0
  await writeMetadata(
    tree,
    layout,
    {
      addressOf: (each) => baseOf(each) + (tree.files.data[each] as number),
      extentsOf: (each) => extentsOf(each).map((one) => ({ ...one, at: one.at + baseOf(each) })),
    },
    file,
  )
  if (devices.length > 0) await file.write(HEADER_BYTES, encodeDevices(devices))
  const place = { position: tarStart, size }
  await file.write(0, encodeTarNote(place))
  // Last: without it there is no image.
  const superblock = encodeSuperblock({
    blockBits: BLOCK_BITS,
    rootNid: layout.nids[tree.names.file[ROOT] as number] as number,
    inodes: layout.walked.files.length,
    buildTime: layout.buildTime,
    blocks: layout.end,
    metaAddress: layout.metaAddress,
    xattrAddress: layout.xattrAddress,
    uuid: options.uuid?.() ?? new Uint8Array(16),
    hasChunks: true,
    devices: devices.length,
    deviceTable: HEADER_BYTES / DEVICE_SLOT_SIZE,
  })
  await file.write(SUPERBLOCK_OFFSET, superblock)
  return {
    tree,
    tar: place,
    blocks: layout.end,
    entries: applier.entries,
    size: applier.size,
    omittedXattrs: applier.made.omittedXattrs,
  }
}

/** Writes the tar and puts its entries into the tree; returns how many bytes it has. */
async function writeTar(
  file: ImageFile,
  tar: ByteSource,
  start: number,
  applier: EntryApplier,
  { signal, onProgress }: CallOptions,
): Promise<number> {
  const scanner = createTarScanner(applier)
  applier.scanner = scanner
  const refuseAborted = () => {
    if (!signal?.aborted) return
    const cause = signal.reason
    throw new LayerError('ERR_ABORTED', 'Cannot write EROFS image: interrupted', { cause })
  }
  refuseAborted()
  let size = 0
  for await (const chunk of tar) {
    refuseAborted()
    scanner.push(chunk)
    await file.write(start + size, chunk)
    size += chunk.length
    onProgress?.({ phase: 'apply', id: 'erofs', done: size })
  }
  scanner.end()
  return size
}

/** One device behind the other, and all behind the image's own blocks. */
function placeDevices(tree: Tree, end: number): readonly DeviceSlot[] {
  let address = end
  return tree.devices.map(({ tag, blocks }) => {
    const slot = { tag, blocks, address }
    address += blocks
    requireAddress(address)
    return slot
  })
}

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileBasicInfo, WinRoot } from '@varve/sys'
import { BackupReader, SPARSE, STREAM } from '../codec/backup-stream.ts'
import { ATTRIBUTE } from '../codec/file-info.ts'
import { isOpenDirectory, parentOf } from './layer-writer.ts'
import { removeTree } from './remove-tree.ts'
import { DIRECTORY_SUFFIX, parseTombstones, TOMBSTONES } from './transport-format.ts'
import type { UpperPlace } from './upper-place.ts'

/** A file of a layer, or a deletion. */
export interface LayerItem {
  /** From the layer's folder, with backslashes. */
  readonly name: string
  /** Absent for a deletion. */
  readonly file?: {
    readonly info: FileBasicInfo
    readonly size: number
    /** Its backup stream, while the reader is at this item. */
    open(): AsyncIterable<Uint8Array>
    /** It can be opened only once. */
    readonly once?: true
  }
}

/** All files of a base layer: `Files`, then `UtilityVM\Files`. */
export async function* readBaseLayer(root: WinRoot): AsyncGenerator<LayerItem> {
  yield* readTree(root, 'Files')
  if ((await root.stat('UtilityVM\\Files')) === undefined) return
  yield* readOne(root, 'UtilityVM')
  yield* readTree(root, 'UtilityVM\\Files')
}

async function* readTree(root: WinRoot, name: string): AsyncGenerator<LayerItem> {
  const stat = await root.stat(name)
  if (stat === undefined) return
  yield* readOne(root, name)
  if (!isOpenDirectory(stat.info)) return
  for (const child of await sorted(root, name)) yield* readTree(root, `${name}\\${child}`)
}

async function* readOne(root: WinRoot, name: string): AsyncGenerator<LayerItem> {
  const stat = await root.stat(name)
  if (stat === undefined) return
  const { info, size } = stat
  yield { name, file: { info, size, open: () => backup(root, name, true) } }
}

async function* backup(root: WinRoot, name: string, security: boolean): AsyncGenerator<Uint8Array> {
  await using file = await root.open(name, 'read')
  yield* file.backupRead(security)
}

/** In the order of the names' bytes, which is not that of JavaScript. */
async function sorted(root: WinRoot, name: string): Promise<string[]> {
  return [...(await root.list(name))].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/** What a layer changes, out of a folder that the service exports it to. */
export async function* readByTransport(place: UpperPlace): AsyncGenerator<LayerItem> {
  const { hcs, fs, info, id, chain } = place
  const path = await mkdtemp(join(tmpdir(), 'hcs'))
  try {
    await hcs.exportLayer(info, id, path, chain)
    await using folder = await fs.openRoot(path)
    yield* new TransportReader(folder, hcs.tp4).items()
  } finally {
    await removeTree(path)
  }
}

class TransportReader {
  readonly #folder: WinRoot
  readonly #tp4: boolean
  /** Deletions by the directory that they are in. */
  readonly #deleted = new Map<string, string[]>()

  /** @param tp4 streams have no attributes in front */
  constructor(folder: WinRoot, tp4: boolean) {
    this.#folder = folder
    this.#tp4 = tp4
  }

  async *items(): AsyncGenerator<LayerItem> {
    await this.#readTombstones()
    // A layer that only deletes has no folder of files.
    for (const top of ['Files', 'Hives']) {
      if (await this.#folder.stat(top)) yield* this.#tree(top)
    }
    for (const directory of [...this.#deleted.keys()].sort()) yield* this.#deletions(directory)
  }

  async *#tree(name: string): AsyncGenerator<LayerItem> {
    const entries = await sorted(this.#folder, name)
    const names = new Set(entries)
    yield* this.#deletions(name)
    for (const entry of entries) {
      const path = `${name}\\${entry}`
      if (path === 'Files\\$Recycle.Bin') continue
      const owner = entry.endsWith(DIRECTORY_SUFFIX) && entry.slice(0, -DIRECTORY_SUFFIX.length)
      if (owner !== false && names.has(owner)) continue
      const stat = await this.#folder.stat(path)
      if (stat === undefined) continue
      const isDirectory = isOpenDirectory(stat.info)
      if (name === 'Hives' || name.startsWith('Hives\\')) {
        if (!isDirectory) yield this.#hive(path, stat.info, stat.size)
      } else if (!isDirectory || names.has(entry + DIRECTORY_SUFFIX)) {
        yield await this.#file(path, isDirectory ? path + DIRECTORY_SUFFIX : path)
      }
      if (isDirectory) yield* this.#tree(path)
    }
  }

  *#deletions(directory: string): Generator<LayerItem> {
    for (const name of this.#deleted.get(directory) ?? []) yield { name }
    this.#deleted.delete(directory)
  }

  async #file(name: string, holder: string): Promise<LayerItem> {
    await using file = await this.#folder.open(holder, 'read')
    const first = this.#tp4 ? undefined : (await file.read().next()).value
    const attributes = first
      ? new DataView(first.buffer, first.byteOffset).getUint32(0, true)
      : name === holder
        ? ATTRIBUTE.archive
        : ATTRIBUTE.directory
    const info = { ...(await file.info()), attributes }
    const open = () => behind(this.#folder, holder, this.#tp4 ? 0 : 4)
    return { name, file: { info, size: await dataSize(open()), open } }
  }

  /** Times of what is not in `Files` mean nothing, but for the last. */
  #hive(name: string, info: FileBasicInfo, size: number): LayerItem {
    const { lastWrite } = info
    const times = { creation: lastWrite, lastAccess: lastWrite, lastWrite, change: lastWrite }
    return {
      name,
      file: {
        info: { ...times, attributes: info.attributes || ATTRIBUTE.archive },
        size,
        open: () => backup(this.#folder, name, false),
      },
    }
  }

  async #readTombstones(): Promise<void> {
    if ((await this.#folder.stat(TOMBSTONES)) === undefined) return
    await using list = await this.#folder.open(TOMBSTONES, 'read')
    const parts: Uint8Array[] = []
    for await (const part of list.read()) parts.push(part)
    for (const name of parseTombstones(Buffer.concat(parts))) {
      const directory = name.slice(0, name.lastIndexOf('\\'))
      this.#deleted.set(directory, [...(this.#deleted.get(directory) ?? []), name])
    }
  }
}

async function* behind(root: WinRoot, name: string, skipped: number): AsyncGenerator<Uint8Array> {
  await using file = await root.open(name, 'read')
  let skip = skipped
  for await (const bytes of file.read()) {
    if (bytes.length > skip) yield bytes.subarray(skip)
    skip = Math.max(0, skip - bytes.length)
  }
}

/** Bytes of the data in a backup stream. */
async function dataSize(stream: AsyncIterable<Uint8Array>): Promise<number> {
  const reader = new BackupReader(stream)
  try {
    for (let part = await reader.next(); part; part = await reader.next()) {
      if (part.id !== STREAM.data) continue
      if (part.size > 0 || (part.attributes & SPARSE) === 0) return part.size
      let end = 0
      for (let block = await reader.next(); block?.id === STREAM.sparseBlock; ) {
        end = block.offset + block.size
        block = await reader.next()
      }
      return end
    }
    return 0
  } finally {
    await reader.close()
  }
}

/**
 * Everything in a read-write layer: what it changes, and the rest of the layer beneath.
 *
 * @param changed reads what it changes, which is asked for twice
 */
export async function* readWhole(
  { fs, chain }: UpperPlace,
  changed: () => AsyncIterable<LayerItem>,
): AsyncGenerator<LayerItem> {
  const changes = new Map<string, boolean>()
  for await (const { name, file } of changed()) {
    changes.set(name, file !== undefined && isOpenDirectory(file.info))
  }
  const isHidden = (name: string): boolean => {
    if (changes.has(name)) return true
    for (let dir = parentOf(name); dir !== ''; dir = parentOf(dir)) {
      if (changes.get(dir) === false) return true
    }
    return false
  }
  const [below] = chain
  if (below) {
    await using root = await fs.openRoot(below.path)
    for await (const item of readBaseLayer(root)) if (!isHidden(item.name)) yield item
  }
  for await (const item of changed()) if (item.file) yield item
}

/** What a layer changes, told by the service file by file (`ExportLayerBegin`). */
export async function* readByStreaming(place: UpperPlace): AsyncGenerator<LayerItem> {
  const { hcs, info, id, chain } = place
  await using source = await hcs.exportLayerBegin?.(info, id, chain)
  if (!source) return
  for (let next = await source.next(); next; next = await source.next()) {
    const { name, deleted, size } = next
    const path = name.replace(/^\\/, '')
    if (deleted) {
      yield { name: path }
      continue
    }
    const open = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        const bytes = await source.read()
        if (bytes.length === 0) return
        yield bytes
      }
    }
    yield { name: path, file: { info: next.info, size, open, once: true } }
  }
}

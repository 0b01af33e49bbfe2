import type { FileBasicInfo, WinFile, WinRoot } from '@varve/sys'
import { ATTRIBUTE } from '../codec/file-info.ts'
import { isOpenDirectory, isWithin, makeParents } from './layer-writer.ts'
import { removeTree } from './remove-tree.ts'
import type { Sink } from './sink.ts'
import { DIRECTORY_SUFFIX, encodeTombstones, TOMBSTONES } from './transport-format.ts'
import type { UpperPlace } from './upper-place.ts'

/**
 * Files are gathered in a folder, which the service then imports as a whole.
 *
 * @param folder an empty one, gone with the sink
 * @param listHidden write `tombstones.txt` for the service, as Docker 1.11 did; today's deletes by
 *   itself
 */
export async function transportSink(
  place: UpperPlace,
  folder: string,
  listHidden: boolean,
): Promise<Sink> {
  return new TransportSink(place, await place.fs.openRoot(folder), listHidden)
}

class TransportSink implements Sink {
  readonly #place: UpperPlace
  readonly #folder: WinRoot
  readonly #listHidden: boolean
  /** Links to directories: nothing may be put in them until all is there. */
  readonly #linkedDirectories = new Set<string>()
  #file: WinFile | undefined
  #info: FileBasicInfo | undefined
  #inHives = false

  constructor(place: UpperPlace, folder: WinRoot, listHidden: boolean) {
    this.#place = place
    this.#folder = folder
    this.#listHidden = listHidden
  }

  async add(name: string, info: FileBasicInfo): Promise<void> {
    await this.#end()
    // Any directory may be left out of a tar.
    await makeParents(this.#folder, name)
    const directory = (info.attributes & ATTRIBUTE.directory) !== 0
    if (directory) {
      await this.#folder.removeAll(name + DIRECTORY_SUFFIX)
      if ((await this.#folder.stat(name)) === undefined) await this.#folder.mkdir(name)
      if (!isOpenDirectory(info)) {
        await this.#folder.remove(name)
        this.#linkedDirectories.add(name)
      }
    }
    this.#inHives = isWithin(name, 'Hives')
    this.#info = info
    this.#file = await this.#folder.create(directory ? name + DIRECTORY_SUFFIX : name)
    if (!this.#inHives || directory) await this.#file.write(attributesOf(info))
  }

  async write(bytes: Uint8Array): Promise<void> {
    const directory = ((this.#info?.attributes ?? 0) & ATTRIBUTE.directory) !== 0
    if (this.#inHives && !directory) await this.#file?.backupWrite(bytes, false)
    else await this.#file?.write(bytes)
  }

  async alias(name: string, target: string): Promise<void> {
    await this.#end()
    await makeParents(this.#folder, name)
    await this.#folder.link(name, target)
  }

  async drop(name: string): Promise<void> {
    await this.#end()
    this.#linkedDirectories.delete(name)
    await this.#folder.removeAll(name)
    await this.#folder.removeAll(name + DIRECTORY_SUFFIX)
  }

  async *reopen(name: string): AsyncGenerator<Uint8Array> {
    await this.#end()
    await using file = await this.#folder.open(name, 'read')
    if (isWithin(name, 'Hives')) {
      yield* file.backupRead(false)
      return
    }
    let skip = 4
    for await (const bytes of file.read()) {
      if (bytes.length > skip) yield bytes.subarray(skip)
      skip = Math.max(0, skip - bytes.length)
    }
  }

  async import(hidden: readonly string[]): Promise<void> {
    await this.#end()
    for (const name of this.#linkedDirectories) await this.#folder.mkdir(name)
    if (this.#listHidden) {
      await using list = await this.#folder.create(TOMBSTONES)
      await list.write(encodeTombstones(hidden))
    }
    const { hcs, info, id, chain } = this.#place
    await hcs.importLayer(info, id, this.#folder.path, chain)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#end()
    } finally {
      await this.#folder[Symbol.asyncDispose]()
      await removeTree(this.#folder.path)
    }
  }

  async #end(): Promise<void> {
    const [file, info] = [this.#file, this.#info]
    this.#file = undefined
    if (!file || !info) return
    try {
      // The file that holds a directory's or link's stream is neither.
      const own = info.attributes & ~(ATTRIBUTE.directory | ATTRIBUTE.reparsePoint)
      await file.setInfo({ ...info, attributes: own || ATTRIBUTE.normal })
    } finally {
      await file[Symbol.asyncDispose]()
    }
  }
}

function attributesOf({ attributes }: FileBasicInfo): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, attributes, true)
  return bytes
}

import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { type ChainID, type DiffID, type Digest, type Layer, LayerError } from '@varve/core'
import { type ImageContext, layerIfThere } from '../context.ts'
import { chainsOf } from '../disk/config-files.ts'
import { createFile, writeAll } from '../disk/files.ts'
import type { Work } from '../disk/image-files.ts'
import { rememberTarSize } from '../disk/tar-sizes.ts'
import type { SourceImage, SourceLayer } from '../source/source-image.ts'
import type { LoadOptions } from '../types/transfer.ts'
import { type LayerJournal, writeJournal } from './undo.ts'
import { tap, unpackBlob } from './unpack.ts'

/** A blob copied into the work directory, to be published with its manifest. */
interface KeptBlob {
  readonly digest: Digest
  readonly path: string
}

/** The layers of a load: takes them in and holds them until the images are published. */
export class LayerIntake implements AsyncDisposable {
  readonly #ctx: ImageContext
  readonly #work: Work
  readonly #options: LoadOptions
  readonly #held = new Map<ChainID, Layer>()
  readonly #existed = new Set<ChainID>()
  readonly #blobs = new Map<Digest, KeptBlob>()
  #stacks: ChainID[][] = []

  constructor(ctx: ImageContext, work: Work, options: LoadOptions) {
    this.#ctx = ctx
    this.#work = work
    this.#options = options
  }

  /** Blobs to publish. */
  get blobs(): readonly KeptBlob[] {
    return [...this.#blobs.values()]
  }

  /** What to undo if the load fails, or its process dies. */
  get journal(): LayerJournal {
    return { stacks: this.#stacks, existed: [...this.#existed] }
  }

  /** Whether a layer was in the store before. */
  existed(id: ChainID): boolean {
    return this.#existed.has(id)
  }

  /** Takes in all layers of all images and puts them on stable storage. */
  async takeAll(images: readonly SourceImage[]): Promise<void> {
    // All of them, also of layers that need not be read: an incomplete image is refused at once.
    for (const { layers } of images) for (const layer of layers) await layer.size()
    const stacks = images.map(({ config }) => chainsOf(config))
    await this.#holdPresent(new Set(stacks.flat()))
    // Only now: whatever is in the journal and not known to have existed is removed on failure.
    this.#stacks = stacks
    await this.#writeJournal()
    for (const [index, image] of images.entries()) {
      await this.#takeImage(image, stacks[index] ?? [])
    }
    if (this.#durability === 'deferred') await this.#ctx.store.sync()
  }

  /** All layers share one flush, in the end. */
  get #durability(): 'deferred' | 'none' {
    return this.#options.durability === 'none' ? 'none' : 'deferred'
  }

  async #holdPresent(chains: ReadonlySet<ChainID>): Promise<void> {
    for (const id of chains) {
      const layer = await layerIfThere(this.#ctx.store, id)
      if (!layer) continue
      this.#held.set(id, layer)
      this.#existed.add(id)
    }
  }

  async #writeJournal(): Promise<void> {
    await writeJournal(this.#ctx.files, this.#work, this.journal)
  }

  async #takeImage(image: SourceImage, chains: readonly ChainID[]): Promise<void> {
    for (const [index, layer] of image.layers.entries()) {
      const id = chains[index] as ChainID
      const parent = index === 0 ? undefined : chains[index - 1]
      if (!this.#held.has(id)) await this.#register(layer, id, parent)
      else if (await this.#wantsBlob(layer)) await this.#copyBlob(layer)
    }
  }

  async #register(layer: SourceLayer, id: ChainID, parent: ChainID | undefined): Promise<void> {
    const { signal } = this.#options
    let tarSize = 0
    await using copy = await this.#beginCopy(layer)
    const raw = this.#reported(layer, await layer.size())
    const tar = tap(unpackBlob(copy ? tap(raw, copy.write) : raw, signal), (chunk) => {
      tarSize += chunk.length
    })
    const registered = await this.#ctx.store.register(tar, {
      expect: layer.diffID,
      durability: this.#durability,
      ...(parent === undefined ? {} : { parent }),
      ...(layer.blob === undefined ? {} : { descriptor: layer.blob }),
      ...(signal ? { signal } : {}),
    })
    this.#held.set(id, registered)
    await copy?.finish()
    await rememberTarSize(this.#ctx.files, this.#work, layer.diffID, tarSize)
  }

  async #wantsBlob({ blob }: SourceLayer): Promise<boolean> {
    if (!this.#options.keepBlobs || !blob || this.#blobs.has(blob.digest)) return false
    return (await this.#ctx.files.blobSize(blob.digest)) === undefined
  }

  /** Copies the blob of a layer that is there already, if it really is that layer's. */
  async #copyBlob(layer: SourceLayer): Promise<void> {
    await using copy = await this.#beginCopy(layer)
    if (!copy) return
    const hash = createHash('sha256')
    const raw = tap(this.#reported(layer, await layer.size()), copy.write)
    for await (const chunk of unpackBlob(raw, this.#options.signal)) hash.update(chunk)
    const actual = `sha256:${hash.digest('hex')}` as DiffID
    if (actual !== layer.diffID) {
      throw new LayerError(
        'ERR_DIGEST_MISMATCH',
        `Cannot keep blob ${layer.blob?.digest}: it holds layer ${actual}, not ${layer.diffID}`,
        { data: { expected: layer.diffID, actual } },
      )
    }
    await copy.finish()
  }

  async #beginCopy(layer: SourceLayer): Promise<BlobCopy | undefined> {
    const { blob } = layer
    if (!blob || !(await this.#wantsBlob(layer))) return undefined
    const path = this.#work.path()
    const file = await createFile(path)
    return new BlobCopy(file, () => this.#blobs.set(blob.digest, { digest: blob.digest, path }))
  }

  /** The blob's bytes, each chunk reported as progress. */
  #reported(layer: SourceLayer, total: number): AsyncIterable<Uint8Array> {
    const { signal, onProgress } = this.#options
    const bytes = layer.open({ signal })
    if (!onProgress) return bytes
    let done = 0
    return tap(bytes, (chunk) => {
      done += chunk.length
      onProgress({ phase: 'load', id: layer.diffID, done, total })
    })
  }

  /** Gives all references back; removes nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const layer of this.#held.values()) await layer[Symbol.asyncDispose]()
    this.#held.clear()
  }
}

/** A blob being written beside the work that reads it. */
class BlobCopy implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #onFinished: () => void

  constructor(file: FileHandle, onFinished: () => void) {
    this.#file = file
    this.#onFinished = onFinished
  }

  readonly write = (chunk: Uint8Array): Promise<void> => writeAll(this.#file, chunk)

  async finish(): Promise<void> {
    await this.#file.sync()
    this.#onFinished()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

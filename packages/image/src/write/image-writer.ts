import { type Descriptor, type DiffID, digestOf, type Layer, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { chainsOf, readConfig, type StoredConfig } from '../disk/config-files.ts'
import type { StoredManifest, Work } from '../disk/image-files.ts'
import { toDescriptor } from '../document/descriptor.ts'
import { OCI_MANIFEST } from '../document/media-types.ts'
import { namesOf } from '../manage/removal.ts'
import { resolve } from '../manage/resolve.ts'
import { familiarName } from '../reference.ts'
import { blobPath } from '../source/blob.ts'
import type { ImageID } from '../types/image.ts'
import type { ArchiveOptions, SavedImage, SaveFormat } from '../types/transfer.ts'
import {
  dockerManifestBytes,
  indexBytes,
  layoutBytes,
  manifestBytes,
  repositoriesBytes,
  type WrittenImage,
} from './documents.ts'
import { type LayerBlob, type LayerBlobOptions, layerBlob, originalBlob } from './layer-blob.ts'
import { type OutFile, outBytes } from './out-file.ts'

/** An image to write, its layers held. */
interface Wanted {
  readonly stored: StoredConfig
  readonly tags: readonly string[]
  readonly layers: readonly Layer[]
}

/** What a writer gives in the end. */
type Saved = readonly SavedImage[]

/**
 * The files of an archive or layout, in an order that depends only on the images: each image's
 * layers, configuration and manifest, then the documents that name them. The same file is never
 * given twice.
 */
export async function* imageFiles(
  ctx: ImageContext,
  work: Work,
  refs: readonly string[],
  format: SaveFormat,
  options: ArchiveOptions,
): AsyncGenerator<OutFile, Saved> {
  const wanted = await want(ctx, refs)
  try {
    return yield* new Writer(ctx, work, format, options).write(wanted)
  } finally {
    for (const { layers } of wanted) {
      for (const layer of layers) await layer[Symbol.asyncDispose]()
    }
  }
}

/** Finds the images; one named by a tag is written with that tag, one named by its id with all. */
async function want({ files, store }: ImageContext, refs: readonly string[]): Promise<Wanted[]> {
  if (refs.length === 0) {
    throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot save images: none is named')
  }
  const table = await files.tags()
  const tags = new Map<ImageID, Set<string>>()
  for (const ref of refs) {
    const { id, name } = await resolve(files, table, ref)
    const all = namesOf(table, id).filter((one) => !one.includes('@'))
    const named = name?.tag === undefined ? all : [familiarName({ ...name, digest: undefined })]
    tags.set(id, new Set([...(tags.get(id) ?? []), ...named]))
  }
  const wanted: { stored: StoredConfig; tags: string[]; layers: Layer[] }[] = []
  try {
    for (const [id, names] of tags) {
      const stored = await readConfig(files.paths, id)
      const layers: Layer[] = []
      wanted.push({ stored, tags: [...names].sort(), layers })
      for (const chain of chainsOf(stored.config)) layers.push(await store.get(chain))
    }
    return wanted
  } catch (error) {
    for (const { layers } of wanted) {
      for (const layer of layers) await layer[Symbol.asyncDispose]()
    }
    throw error
  }
}

class Writer {
  readonly #ctx: ImageContext
  readonly #work: Work
  readonly #format: SaveFormat
  readonly #options: ArchiveOptions
  readonly #written = new Set<string>()
  readonly #blobs = new Map<DiffID, Descriptor>()

  constructor(ctx: ImageContext, work: Work, format: SaveFormat, options: ArchiveOptions) {
    this.#ctx = ctx
    this.#work = work
    this.#format = format
    this.#options = options
  }

  async *write(wanted: readonly Wanted[]): AsyncGenerator<OutFile, Saved> {
    const images: WrittenImage[] = []
    const saved: SavedImage[] = []
    for (const one of wanted) {
      const { image, original } = yield* this.#image(one)
      images.push(image)
      saved.push({ id: image.id, tags: image.tags, manifest: image.manifest, original })
    }
    yield outBytes('index.json', indexBytes(images))
    if (this.#format === 'docker-archive') {
      yield outBytes('manifest.json', dockerManifestBytes(images))
      const repositories = repositoriesBytes(images)
      if (repositories) yield outBytes('repositories', repositories)
    }
    yield outBytes('oci-layout', layoutBytes())
    return saved
  }

  async *#image({
    stored: { id, config, bytes },
    tags,
    layers,
  }: Wanted): AsyncGenerator<OutFile, { image: WrittenImage; original: boolean }> {
    const kept = await this.#originals(id, layers)
    const blobs: Descriptor[] = []
    for (const [index, layer] of layers.entries()) {
      blobs.push(yield* this.#layer(layer, kept?.blobs[index]))
    }
    yield* this.#once(outBytes(blobPath(id), bytes))
    const document = kept?.manifest.bytes ?? manifestBytes(bytes, blobs)
    const manifest: Descriptor = {
      mediaType: kept?.manifest.mediaType ?? OCI_MANIFEST,
      digest: digestOf(document),
      size: document.length,
    }
    yield* this.#once(outBytes(blobPath(manifest.digest), document))
    const pairs = layers.map(({ diffID }, index) => ({
      diffID,
      descriptor: blobs[index] as Descriptor,
    }))
    const image = { id, config, tags, manifest, layers: pairs }
    return { image, original: kept !== undefined }
  }

  /** The manifest that the image came with and its blobs, if they are wanted and all to be had. */
  async #originals(
    id: ImageID,
    layers: readonly Layer[],
  ): Promise<{ manifest: StoredManifest; blobs: readonly LayerBlob[] } | undefined> {
    if (!(this.#options.originalBlobs ?? this.#format !== 'docker-archive')) return undefined
    const manifest = await this.#ctx.files.manifest(id)
    if (!manifest) return undefined
    const blobs: LayerBlob[] = []
    for (const [index, parsed] of manifest.manifest.layers.entries()) {
      const layer = layers[index]
      const descriptor = toDescriptor(parsed)
      const blob =
        layer && (await originalBlob(this.#ctx.files, layer, descriptor, this.#blobOptions(layer)))
      if (!blob) return undefined
      blobs.push(blob)
    }
    return { manifest, blobs }
  }

  async *#layer(
    layer: Layer,
    original: LayerBlob | undefined,
  ): AsyncGenerator<OutFile, Descriptor> {
    const known = original ? undefined : this.#blobs.get(layer.diffID)
    if (known) return known
    const options = this.#blobOptions(layer)
    const blob = original ?? (await layerBlob(this.#ctx.files, this.#work, layer, options))
    try {
      if (!original) this.#blobs.set(layer.diffID, blob.descriptor)
      yield* this.#once(blob)
      return blob.descriptor
    } finally {
      await blob.close()
    }
  }

  *#once(file: OutFile): Generator<OutFile> {
    if (this.#written.has(file.name)) return
    this.#written.add(file.name)
    yield file
  }

  #blobOptions({ diffID }: Layer): LayerBlobOptions {
    const { signal, onProgress, compression, reproducible = true } = this.#options
    let done = 0
    return {
      compression: compression ?? (this.#format === 'docker-archive' ? 'none' : 'gzip'),
      reproducible,
      signal,
      onBytes: (count) => {
        done += count
        onProgress?.({ phase: 'save', id: diffID, done })
      },
    }
  }
}

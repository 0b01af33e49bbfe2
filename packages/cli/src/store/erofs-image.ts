import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CallOptions, ChainID, Layer, LayerStore } from '@varve/core'
import { type ByteRanges, type ImageFile, loadTree, packErofs, writeErofs } from '@varve/erofs'

/**
 * One EROFS image of all that a chain of layers shows, which needs nothing else: for a guest to
 * mount. The layers' tars are written to a temporary directory first.
 *
 * @param uuid 16 bytes that name the image
 */
export async function* erofsImage(
  store: LayerStore,
  top: ChainID | undefined,
  uuid: Uint8Array,
  call: CallOptions,
): AsyncGenerator<Uint8Array> {
  await using place = await temporaryDirectory()
  const files: TemporaryImage[] = []
  try {
    for (const layer of await chainOf(store, top)) {
      await using held = layer
      const below = files.at(-1)
      const file = await TemporaryImage.create(join(place.path, `${files.length}.erofs`))
      files.push(file)
      await writeErofs(file, held.tar(call) as AsyncIterable<Uint8Array>, {
        ...(call.signal ? { signal: call.signal } : {}),
        ...(below ? { below: await loadTree(below) } : {}),
      })
    }
    const image = files.at(-1) ?? (await TemporaryImage.create(join(place.path, 'empty.erofs')))
    if (files.length === 0) {
      files.push(image)
      await writeErofs(image, [])
    }
    yield* packErofs(image, { devices: files.slice(0, -1), uuid })
  } finally {
    for (const file of files) await file[Symbol.asyncDispose]()
  }
}

/** Every layer of a chain, base first. */
async function chainOf(store: LayerStore, top: ChainID | undefined): Promise<readonly Layer[]> {
  const layers: Layer[] = []
  for (let at = top; at !== undefined; ) {
    const layer = await store.get(at)
    layers.unshift(layer)
    at = layer.parent
  }
  return layers
}

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'varve-erofs-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** The image of one layer, and of all beneath it. */
class TemporaryImage implements ImageFile, ByteRanges, AsyncDisposable {
  size = 0
  readonly #handle: FileHandle

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  static async create(path: string): Promise<TemporaryImage> {
    return new TemporaryImage(await open(path, 'wx+', 0o600))
  }

  async write(position: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const left = bytes.length - at
      at += (await this.#handle.write(bytes, at, left, position + at)).bytesWritten
    }
    this.size = Math.max(this.size, position + bytes.length)
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - position)))
    const { bytesRead } = await this.#handle.read(bytes, 0, bytes.length, position)
    return bytes.subarray(0, bytesRead)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

import { type ByteSource, checkAborted, interruptible } from '@varve/core'
import type { FileBasicInfo } from '@varve/sys'
import { readTarFiles, type TarFile } from '../../codec/from-tar.ts'
import { infoFor } from '../../layer/import-tar.ts'
import { layerNameOf, linkTargetOf } from '../../layer/layer-name.ts'
import { isOpenDirectory, isWithin, parentOf } from '../../layer/layer-writer.ts'
import { partsOf } from './parts-of.ts'

/** A file as a layer's tar makes it; names of one file have the same object. */
export interface WantedFile {
  readonly info: FileBasicInfo
  readonly size: number
  /** See {@link partsOf}. */
  readonly parts: ReadonlyMap<string, string>
}

/** A file of a layer beneath, which this layer has given another name. */
export interface WantedLink {
  readonly below: string
}

/** What a layer's tar makes of what is beneath. Names begin at the layer's folder. */
export class WantedFiles {
  readonly #fold: (name: string) => string
  readonly #files = new Map<
    string,
    { readonly name: string; readonly file: WantedFile | WantedLink }
  >()
  /** What of lower layers is not to be seen. */
  readonly #hidden = new Set<string>()
  /** Directories that something of this layer is in. */
  readonly #parents = new Set<string>()

  /** @param caseSensitive whether `a` and `A` are two files */
  constructor(caseSensitive: boolean) {
    this.#fold = caseSensitive ? (name) => name : (name) => name.toUpperCase()
  }

  /** Takes in the tar's next file. */
  async take(file: TarFile): Promise<void> {
    const name = layerNameOf(file.entry.name)
    if (name.kind === 'whiteout' || name.kind === 'opaque') this.#hidden.add(this.#fold(name.path))
    if (name.kind !== 'file') return
    if (file.entry.type === 'link') {
      const target = linkTargetOf(file.entry.linkname)
      const known = this.#files.get(this.#fold(target))?.file
      this.#put(name.path, known ?? { below: target }, false)
      return
    }
    const info = infoFor(file)
    const parts = await partsOf(file.stream)
    this.#put(name.path, { info, size: file.size, parts }, isOpenDirectory(info))
  }

  all(): Iterable<{ readonly name: string; readonly file: WantedFile | WantedLink }> {
    return this.#files.values()
  }

  /** Whether it is of this layer, or a directory that something of it is in. */
  has(name: string): boolean {
    const key = this.#fold(name)
    return this.#files.has(key) || this.#parents.has(key)
  }

  /** Whether lower layers cannot show here. */
  isHidden(name: string): boolean {
    for (let path = this.#fold(name); path !== ''; path = parentOf(path)) {
      if (this.#hidden.has(path)) return true
    }
    return false
  }

  #put(name: string, file: WantedFile | WantedLink, keepsInside: boolean): void {
    const key = this.#fold(name)
    if (!keepsInside && this.#parents.has(key)) {
      for (const inside of [...this.#files.keys()]) {
        if (inside !== key && isWithin(inside, key)) this.#files.delete(inside)
      }
      this.#parents.delete(key)
    }
    this.#files.set(key, { name, file })
    for (let dir = parentOf(key); dir !== ''; dir = parentOf(dir)) this.#parents.add(dir)
  }
}

/** @throws LayerError as `applyDiff` for a tar that is none of a Windows layer */
export async function wantedFiles(
  tar: ByteSource,
  caseSensitive: boolean,
  signal: AbortSignal | undefined,
  attempt: string,
): Promise<WantedFiles> {
  const wanted = new WantedFiles(caseSensitive)
  for await (const file of readTarFiles(interruptible(tar, signal, attempt))) {
    checkAborted(signal, attempt)
    await wanted.take(file)
  }
  return wanted
}

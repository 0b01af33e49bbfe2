import {
  type FileBasicInfo,
  HcsError,
  type HcsExport,
  type HcsImport,
  HRESULT,
  type WinFile,
  type WinRoot,
} from '@varve/sys'
import { ATTRIBUTE } from '../codec/file-info.ts'
import type { Difference } from './difference.ts'
import { isPlainDirectory } from './layer-files.ts'

const NO_INFO: FileBasicInfo = {
  creation: 0n,
  lastAccess: 0n,
  lastWrite: 0n,
  change: 0n,
  attributes: 0,
}

/** `ImportLayerNext` and its kin: a file is open until the next begins. */
export class StreamingImport implements HcsImport {
  readonly #layer: WinRoot
  #file: WinFile | undefined
  #info: FileBasicInfo | undefined
  #ended = false

  constructor(layer: WinRoot) {
    this.#layer = layer
  }

  async next(name: string, info: FileBasicInfo | undefined): Promise<void> {
    await this.#close()
    if (!name.startsWith('\\'))
      throw new HcsError('ImportLayerNext', HRESULT.invalidParameter, name)
    const path = name.slice(1)
    if (!info) {
      await this.#layer.removeAll(path)
      return
    }
    const there = await this.#layer.stat(path)
    const directory = (info.attributes & ATTRIBUTE.directory) !== 0
    if (there && !(directory && isPlainDirectory(there.info))) await this.#layer.removeAll(path)
    if (directory && !(there && isPlainDirectory(there.info))) await this.#layer.mkdir(path)
    this.#info = info
    this.#file = directory ? await this.#layer.open(path, 'write') : await this.#layer.create(path)
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#file) throw new HcsError('ImportLayerWrite', HRESULT.invalidState)
    await this.#file.backupWrite(bytes, true)
  }

  async end(): Promise<void> {
    if (this.#ended) throw new HcsError('ImportLayerEnd', HRESULT.invalidState)
    this.#ended = true
    await this.#close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.end()
  }

  async #close(): Promise<void> {
    const [file, info] = [this.#file, this.#info]
    this.#file = undefined
    if (!file || !info) return
    await file.setInfo(info)
    await file[Symbol.asyncDispose]()
  }
}

/** `ExportLayerNext` and its kin, over differences that are looked for as they are asked for. */
export function streamingExport(differences: AsyncIterable<Difference>): HcsExport {
  const iterator = differences[Symbol.asyncIterator]()
  let stream: AsyncIterator<Uint8Array> | undefined
  return {
    async next() {
      const step = await iterator.next()
      stream = undefined
      if (step.done) return undefined
      const { name, file } = step.value
      stream = file?.open()[Symbol.asyncIterator]()
      return { name, info: file?.info ?? NO_INFO, size: file?.size ?? 0, deleted: !file }
    },
    async read() {
      const step = await stream?.next()
      return step === undefined || step.done ? new Uint8Array(0) : step.value
    },
    async [Symbol.asyncDispose]() {
      await stream?.return?.()
      await iterator.return?.()
    },
  }
}

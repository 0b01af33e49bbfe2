import { mkdir, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import {
  type Hcs,
  type HcsDriverInfo,
  HcsError,
  type HcsLayer,
  HRESULT,
  type WinRoot,
} from '@varve/sys'
import { isThere } from '@varve/trees'
import { describeBaseImages, processBaseImage, processUtilityImage } from './base-images.ts'
import type { Difference } from './difference.ts'
import { EmulatedRoot, guidOfName } from './emulated-fs.ts'
import {
  beginAgain,
  beginOn,
  checkChain,
  copyFolder,
  findFolder,
  folderDifferences,
  folderOf,
  makeFolder,
} from './layer-folders.ts'
import {
  isScratch,
  newDisk,
  prepareVolume,
  readDisk,
  scratchDifferences,
  volumeOf,
  writeDisk,
} from './scratch-folder.ts'
import { StreamingImport, streamingExport } from './streaming.ts'
import { readTransport, writeTransport } from './transport.ts'

/** How {@link emulatedHcs} imitates. */
export interface EmulatedHcsOptions {
  /** Whether it has `ImportLayerBegin` and `ExportLayerBegin`. Default false, as today's. */
  readonly streaming?: boolean
  /** Whether it is the fourth preview of Windows Server 2016. Default false. */
  readonly tp4?: boolean
  /** Folders of base images that everybody shares. */
  readonly baseImages?: readonly string[]
}

type State = 'active' | 'prepared'

/** What {@link emulatedHcs} gives. */
export interface EmulatedHcs extends Hcs {
  /** What a layer's folder is at: undefined if it is at rest. */
  stateOf(path: string): State | undefined
}

/**
 * The host compute service over plain directories, on any system: layers are kept as
 * `emulatedFs` keeps files, a scratch layer's volume is an ordinary directory. It is strict: a call
 * in the wrong order, or with a chain that is not the layer's, fails as Windows fails it.
 *
 * What is mounted is known to this object only, as to the real service until the machine restarts.
 */
export function emulatedHcs(options: EmulatedHcsOptions = {}): EmulatedHcs {
  return new Emulation(options)
}

class Emulation implements EmulatedHcs {
  readonly kind = 'directories'
  readonly tp4: boolean
  readonly importLayerBegin?: NonNullable<Hcs['importLayerBegin']>
  readonly exportLayerBegin?: NonNullable<Hcs['exportLayerBegin']>
  readonly #states = new Map<string, State>()
  readonly #images: readonly string[]

  constructor({ streaming = false, tp4 = false, baseImages = [] }: EmulatedHcsOptions) {
    this.tp4 = tp4
    this.#images = baseImages
    if (!streaming) return
    this.importLayerBegin = async (info, id, chain) =>
      new StreamingImport(await this.#emptyLayer('ImportLayerBegin', info, id, chain))
    this.exportLayerBegin = async (info, id, chain) =>
      streamingExport(await this.#differences('ExportLayerBegin', info, id, chain))
  }

  stateOf(path: string): State | undefined {
    return this.#states.get(path)
  }

  async activateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await findFolder('ActivateLayer', info, id)
    this.#expect('ActivateLayer', dir, undefined)
    this.#states.set(dir, 'active')
  }

  async deactivateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await findFolder('DeactivateLayer', info, id)
    this.#expect('DeactivateLayer', dir, 'active')
    this.#states.delete(dir)
  }

  async prepareLayer(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<void> {
    const dir = await findFolder('PrepareLayer', info, id)
    this.#expect('PrepareLayer', dir, 'active')
    await checkChain('PrepareLayer', chain)
    if (await isScratch(dir)) {
      const [below] = chain
      if (!below) throw new HcsError('PrepareLayer', HRESULT.invalidParameter, 'no layers beneath')
      await prepareVolume(dir, below.path)
    }
    this.#states.set(dir, 'prepared')
  }

  async unprepareLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await findFolder('UnprepareLayer', info, id)
    this.#expect('UnprepareLayer', dir, 'prepared')
    this.#states.set(dir, 'active')
  }

  /** @param parent the name of its folder, which is beside the new one, or nothing */
  async createLayer(info: HcsDriverInfo, id: string, parent: string): Promise<void> {
    const dir = await makeFolder('CreateLayer', info, id)
    await beginOn(dir, parent)
  }

  async createSandboxLayer(
    info: HcsDriverInfo,
    id: string,
    _parent: string | undefined,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await checkChain('CreateSandboxLayer', chain)
    if (chain.length === 0) throw new HcsError('CreateSandboxLayer', HRESULT.invalidParameter)
    const dir = await makeFolder('CreateSandboxLayer', info, id)
    await writeDisk(dir, newDisk())
  }

  async expandSandboxSize(info: HcsDriverInfo, id: string, bytes: bigint): Promise<void> {
    const dir = await findFolder('ExpandSandboxSize', info, id)
    const disk = await readDisk(dir)
    if (bytes < disk.size) throw new HcsError('ExpandSandboxSize', HRESULT.invalidParameter)
    await writeDisk(dir, { ...disk, size: bytes })
  }

  async copyLayer(
    info: HcsDriverInfo,
    from: string,
    to: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    const source = await findFolder('CopyLayer', info, from)
    await checkChain('CopyLayer', chain)
    await copyFolder(source, await makeFolder('CopyLayer', info, to))
  }

  async destroyLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = folderOf(info, id)
    if (this.#states.has(dir)) throw new HcsError('DestroyLayer', HRESULT.sharingViolation, id)
    await rm(dir, { recursive: true, force: true })
  }

  async layerExists(info: HcsDriverInfo, id: string): Promise<boolean> {
    return await isThere(folderOf(info, id))
  }

  async getLayerMountPath(info: HcsDriverInfo, id: string): Promise<string> {
    const dir = await findFolder('GetLayerMountPath', info, id)
    return (await isScratch(dir)) ? volumeOf(dir) : dir
  }

  async importLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    const layer = await this.#emptyLayer('ImportLayer', info, id, chain)
    await readTransport(new EmulatedRoot(folder), layer, this.tp4)
  }

  async exportLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await mkdir(folder, { recursive: true })
    const differences = await this.#differences('ExportLayer', info, id, chain)
    await writeTransport(new EmulatedRoot(folder), differences, this.tp4)
  }

  async getBaseImages(): Promise<string> {
    return describeBaseImages(this.#images)
  }

  async nameToGuid(name: string): Promise<Uint8Array> {
    return guidOfName(name)
  }

  async processBaseImage(path: string): Promise<void> {
    await processBaseImage(path)
  }

  async processUtilityImage(path: string): Promise<void> {
    await processUtilityImage(path)
  }

  async grantVmAccess(_vmID: string, file: string): Promise<void> {
    if (!(await isThere(file))) throw new HcsError('GrantVmAccess', HRESULT.fileNotFound, file)
  }

  async #differences(
    call: string,
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<AsyncIterable<Difference>> {
    const dir = await findFolder(call, info, id)
    await checkChain(call, chain)
    if (this.#states.get(dir) === 'prepared') throw new HcsError(call, HRESULT.invalidState, id)
    return (await isScratch(dir)) ? scratchDifferences(dir) : folderDifferences(dir, chain)
  }

  /** The layer with all that its parent has. */
  async #emptyLayer(
    call: string,
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<WinRoot> {
    const dir = await findFolder(call, info, id)
    await checkChain(call, chain)
    if (this.#states.has(dir)) throw new HcsError(call, HRESULT.invalidState, id)
    return await beginAgain(dir, chain)
  }

  #expect(call: string, dir: string, state: State | undefined): void {
    if (this.#states.get(dir) !== state) {
      throw new HcsError(call, HRESULT.invalidState, basename(dir))
    }
  }
}

import { lstat, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  type FileBasicInfo,
  type Hcs,
  type HcsDriverInfo,
  HcsError,
  type HcsExport,
  type HcsImport,
  type HcsLayer,
  HRESULT,
  type WinFile,
  type WinRoot,
} from '@varve/sys'
import { ATTRIBUTE } from '../codec/file-info.ts'
import { type Difference, layerDifferences, volumeDifferences } from './difference.ts'
import { EmulatedRoot, guidOfName } from './emulated-fs.ts'
import { cloneTree, isPlainDirectory, layOut } from './layer-files.ts'
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

/** A scratch layer's disk: here only its size and what it stands on. */
const DISK = 'sandbox.vhdx'
/** In a layer that has only what the one beneath it has. */
const FRESH = ':fresh'
const VOLUME = 'volume'
const BASELINE = 'baseline.json'
/** The size of a base image's empty disk, which scratch layers begin as copies of. */
const DEFAULT_SIZE = 20n * 2n ** 30n

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
    this.importLayerBegin = (info, id, chain) => this.#importBegin(info, id, chain)
    this.exportLayerBegin = (info, id, chain) => this.#exportBegin(info, id, chain)
  }

  stateOf(path: string): State | undefined {
    return this.#states.get(path)
  }

  async activateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await this.#layer('ActivateLayer', info, id)
    this.#expect('ActivateLayer', dir, undefined)
    this.#states.set(dir, 'active')
  }

  async deactivateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await this.#layer('DeactivateLayer', info, id)
    this.#expect('DeactivateLayer', dir, 'active')
    this.#states.delete(dir)
  }

  async prepareLayer(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<void> {
    const dir = await this.#layer('PrepareLayer', info, id)
    this.#expect('PrepareLayer', dir, 'active')
    await this.#checkChain('PrepareLayer', chain)
    if (await isThere(join(dir, DISK))) {
      const [below] = chain
      if (!below) throw new HcsError('PrepareLayer', HRESULT.invalidParameter, 'no layers beneath')
      if (!(await isThere(join(dir, BASELINE)))) {
        // What an interrupted call left is not whole.
        await rm(join(dir, VOLUME), { recursive: true, force: true })
        const looks = await layOut(new EmulatedRoot(below.path), 'Files', join(dir, VOLUME))
        await writeFile(join(dir, BASELINE), JSON.stringify(looks))
      }
    }
    this.#states.set(dir, 'prepared')
  }

  async unprepareLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = await this.#layer('UnprepareLayer', info, id)
    this.#expect('UnprepareLayer', dir, 'prepared')
    this.#states.set(dir, 'active')
  }

  /** @param parent the name of its folder, which is beside the new one, or nothing */
  async createLayer(info: HcsDriverInfo, id: string, parent: string): Promise<void> {
    const dir = await this.#make('CreateLayer', info, id)
    const below = parent === '' ? undefined : join(dirname(dir), basename(parent))
    if (below !== undefined && !(await isThere(below))) {
      throw new HcsError('CreateLayer', HRESULT.fileNotFound, parent)
    }
    await fillFrom(new EmulatedRoot(dir), below)
    await writeFile(join(dir, FRESH), '')
  }

  async createSandboxLayer(
    info: HcsDriverInfo,
    id: string,
    _parent: string | undefined,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await this.#checkChain('CreateSandboxLayer', chain)
    if (chain.length === 0) throw new HcsError('CreateSandboxLayer', HRESULT.invalidParameter)
    const dir = await this.#make('CreateSandboxLayer', info, id)
    await writeDisk(dir, DEFAULT_SIZE)
  }

  async expandSandboxSize(info: HcsDriverInfo, id: string, bytes: bigint): Promise<void> {
    const dir = await this.#layer('ExpandSandboxSize', info, id)
    if (bytes < (await readDisk(dir))) throw new HcsError('ExpandSandboxSize', 0x80070057)
    await writeDisk(dir, bytes)
  }

  async copyLayer(
    info: HcsDriverInfo,
    from: string,
    to: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    const source = new EmulatedRoot(await this.#layer('CopyLayer', info, from))
    await this.#checkChain('CopyLayer', chain)
    const copy = new EmulatedRoot(await this.#make('CopyLayer', info, to))
    for (const top of ['Files', 'Hives']) {
      if (await source.stat(top)) await cloneTree(source, copy, top)
    }
  }

  async destroyLayer(info: HcsDriverInfo, id: string): Promise<void> {
    const dir = this.#path(info, id)
    if (this.#states.has(dir)) throw new HcsError('DestroyLayer', HRESULT.sharingViolation, id)
    await rm(dir, { recursive: true, force: true })
  }

  async layerExists(info: HcsDriverInfo, id: string): Promise<boolean> {
    return await isThere(this.#path(info, id))
  }

  async getLayerMountPath(info: HcsDriverInfo, id: string): Promise<string> {
    const dir = await this.#layer('GetLayerMountPath', info, id)
    return (await isThere(join(dir, DISK))) ? join(dir, VOLUME) : dir
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
    const Images = this.#images.map((path) => ({
      Name: basename(path),
      Version: '10.0.14393',
      Path: path,
      Size: 0,
      CreatedTime: '2016-09-12T00:00:00Z',
    }))
    return JSON.stringify({ Images })
  }

  async nameToGuid(name: string): Promise<Uint8Array> {
    return guidOfName(name)
  }

  async processBaseImage(path: string): Promise<void> {
    if (!(await isThere(join(path, 'Files')))) {
      throw new HcsError('ProcessBaseImage', HRESULT.fileNotFound, path)
    }
    for (const name of ['layout', 'blank-base.vhdx', 'blank.vhdx']) {
      await writeFile(join(path, name), '')
    }
  }

  /** The real one changes the boot configuration in place, too. */
  async processUtilityImage(path: string): Promise<void> {
    const bcd = join(path, 'Files/EFI/Microsoft/Boot/BCD')
    if (await isThere(bcd)) await writeFile(bcd, `processed ${await readFile(bcd, 'latin1')}`)
    await writeFile(join(path, 'SystemTemplateBase.vhdx'), '')
    await writeFile(join(path, 'SystemTemplate.vhdx'), '')
  }

  async grantVmAccess(_vmID: string, file: string): Promise<void> {
    if (!(await isThere(file))) throw new HcsError('GrantVmAccess', HRESULT.fileNotFound, file)
  }

  async #importBegin(
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<HcsImport> {
    return new Import(await this.#emptyLayer('ImportLayerBegin', info, id, chain))
  }

  async #exportBegin(
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<HcsExport> {
    return exportOf(await this.#differences('ExportLayerBegin', info, id, chain))
  }

  async #differences(
    call: string,
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<AsyncIterable<Difference>> {
    const dir = await this.#layer(call, info, id)
    await this.#checkChain(call, chain)
    if (this.#states.get(dir) === 'prepared') throw new HcsError(call, HRESULT.invalidState, id)
    if (await isThere(join(dir, DISK))) {
      // A scratch layer that was never mounted has no volume, and no differences.
      if (!(await isThere(join(dir, BASELINE)))) return noDifferences()
      return volumeDifferences(join(dir, VOLUME), join(dir, BASELINE))
    }
    return differencesOf(new EmulatedRoot(dir), chain[0] && new EmulatedRoot(chain[0].path))
  }

  /** The layer with all that its parent has. */
  async #emptyLayer(
    call: string,
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<WinRoot> {
    const dir = await this.#layer(call, info, id)
    await this.#checkChain(call, chain)
    if (this.#states.has(dir)) throw new HcsError(call, HRESULT.invalidState, id)
    const layer = new EmulatedRoot(dir)
    if (await isThere(join(dir, FRESH))) await rm(join(dir, FRESH))
    else await fillFrom(layer, chain[0]?.path)
    return layer
  }

  async #make(call: string, info: HcsDriverInfo, id: string): Promise<string> {
    const dir = this.#path(info, id)
    if (await isThere(dir)) throw new HcsError(call, HRESULT.alreadyExists, id)
    await mkdir(dir, { mode: 0o755 })
    return dir
  }

  async #layer(call: string, info: HcsDriverInfo, id: string): Promise<string> {
    const dir = this.#path(info, id)
    if (await isThere(dir)) return dir
    throw new HcsError(call, HRESULT.fileNotFound, id)
  }

  #path({ homeDir }: HcsDriverInfo, id: string): string {
    return homeDir === '' || id.includes('/') ? id : join(homeDir, id)
  }

  #expect(call: string, dir: string, state: State | undefined): void {
    if (this.#states.get(dir) !== state) {
      throw new HcsError(call, HRESULT.invalidState, basename(dir))
    }
  }

  /** Each descriptor names the folder whose path it has, and that has files. */
  async #checkChain(call: string, chain: readonly HcsLayer[]): Promise<void> {
    for (const { guid, path } of chain) {
      const same = Buffer.compare(guid, guidOfName(basename(path))) === 0
      if (!same) throw new HcsError(call, HRESULT.invalidParameter, path)
      if (!(await isThere(path))) throw new HcsError(call, HRESULT.fileNotFound, path)
    }
  }
}

/** Gives a layer what the one beneath has, and nothing else. */
async function fillFrom(layer: WinRoot, path: string | undefined): Promise<void> {
  const below = path === undefined ? undefined : new EmulatedRoot(path)
  for (const top of ['Files', 'Hives']) {
    await layer.removeAll(top)
    if (below && (await below.stat(top))) await cloneTree(below, layer, top)
    else await layer.mkdir(top)
  }
}

async function* noDifferences(): AsyncGenerator<Difference> {}

async function* differencesOf(
  layer: WinRoot,
  below: WinRoot | undefined,
): AsyncGenerator<Difference> {
  yield* layerDifferences(layer, below, 'Files')
  yield* layerDifferences(layer, below, 'Hives')
}

/** `ImportLayerNext` and its kin: a file is open until the next begins. */
class Import implements HcsImport {
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

function exportOf(differences: AsyncIterable<Difference>): HcsExport {
  const iterator = differences[Symbol.asyncIterator]()
  let stream: AsyncIterator<Uint8Array> | undefined
  return {
    async next() {
      const step = await iterator.next()
      stream = undefined
      if (step.done) return undefined
      const { name, file } = step.value
      stream = file?.open()[Symbol.asyncIterator]()
      const none = { creation: 0n, lastAccess: 0n, lastWrite: 0n, change: 0n, attributes: 0 }
      return { name, info: file?.info ?? none, size: file?.size ?? 0, deleted: !file }
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

async function writeDisk(dir: string, size: bigint): Promise<void> {
  await writeFile(join(dir, DISK), JSON.stringify({ size: String(size) }))
}

async function readDisk(dir: string): Promise<bigint> {
  const { size } = JSON.parse(await readFile(join(dir, DISK), 'utf8')) as { size: string }
  return BigInt(size)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

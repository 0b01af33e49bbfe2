import {
  type FileBasicInfo,
  type Hcs,
  type HcsDriverInfo,
  HcsError,
  type HcsExport,
  type HcsImport,
  type HcsLayer,
} from './hcs.ts'
import { assertSize, type Koffi, type Library, type NativeFunction, onThread } from './koffi.ts'

/** `ERROR_NO_MORE_FILES`, by which `ExportLayerNext` ends. */
const NO_MORE_FILES = 18
const READ_BYTES = 256 * 1024
const BASIC_INFO_BYTES = 40

/**
 * Binds vmcompute.dll. Calls that take long run on other threads; `PrepareLayer` one at a time, which
 * Windows cannot bear otherwise. Functions that this Windows has not are left out or fail when called.
 *
 * @param ole32 for `CoTaskMemFree`, which frees the strings of the service
 */
export function bindHcs(koffi: Koffi, vmcompute: Library, ole32: Library): Hcs {
  return new Binding(koffi, vmcompute, ole32)
}

class Binding implements Hcs {
  readonly kind = 'windows'
  readonly tp4: boolean
  readonly importLayerBegin?: NonNullable<Hcs['importLayerBegin']>
  readonly exportLayerBegin?: NonNullable<Hcs['exportLayerBegin']>
  readonly #library: Library
  readonly #functions = new Map<string, NativeFunction>()
  readonly #types: Types
  #preparing: Promise<unknown> = Promise.resolve()

  constructor(koffi: Koffi, vmcompute: Library, ole32: Library) {
    this.#library = vmcompute
    this.#types = typesOf(koffi, ole32)
    this.tp4 = !this.#has('HNSCall')
    if (this.#has('ImportLayerBegin')) {
      this.importLayerBegin = (info, id, chain) => this.#importBegin(info, id, chain)
    }
    if (this.#has('ExportLayerBegin')) {
      this.exportLayerBegin = (info, id, chain) => this.#exportBegin(info, id, chain)
    }
  }

  activateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    return this.#layerCall('ActivateLayer', info, id)
  }

  deactivateLayer(info: HcsDriverInfo, id: string): Promise<void> {
    return this.#layerCall('DeactivateLayer', info, id)
  }

  async prepareLayer(info: HcsDriverInfo, id: string, chain: readonly HcsLayer[]): Promise<void> {
    const { chainArgs } = this.#types
    const call = () => this.#call('PrepareLayer', chainArgs, id, info, id, ...chainOf(chain))
    const turn = this.#preparing.then(call, call)
    this.#preparing = turn.catch(() => undefined)
    await turn
  }

  unprepareLayer(info: HcsDriverInfo, id: string): Promise<void> {
    return this.#layerCall('UnprepareLayer', info, id)
  }

  async createLayer(info: HcsDriverInfo, id: string, parent: string): Promise<void> {
    const { driver } = this.#types
    await this.#call('CreateLayer', [driver, 'str16', 'str16'], id, info, id, parent)
  }

  async createSandboxLayer(
    info: HcsDriverInfo,
    id: string,
    parent: string | undefined,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    const { driver, layers } = this.#types
    const types = [driver, 'str16', 'str16', layers, 'uint32']
    const args = [info, id, parent ?? null, ...chainOf(chain)]
    await this.#call('CreateSandboxLayer', types, id, ...args)
  }

  async expandSandboxSize(info: HcsDriverInfo, id: string, bytes: bigint): Promise<void> {
    const { driver } = this.#types
    await this.#call('ExpandSandboxSize', [driver, 'str16', 'uint64'], id, info, id, bytes)
  }

  async copyLayer(
    info: HcsDriverInfo,
    from: string,
    to: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await this.#folderCall('CopyLayer', info, from, to, chain)
  }

  destroyLayer(info: HcsDriverInfo, id: string): Promise<void> {
    return this.#layerCall('DestroyLayer', info, id)
  }

  async layerExists(info: HcsDriverInfo, id: string): Promise<boolean> {
    const { driver, outUint32 } = this.#types
    const exists = [0]
    await this.#call('LayerExists', [driver, 'str16', outUint32], id, info, id, exists)
    return exists[0] !== 0
  }

  async getLayerMountPath(info: HcsDriverInfo, id: string): Promise<string> {
    const { driver, inoutSize } = this.#types
    const types = [driver, 'str16', inoutSize, 'void *']
    const length: (number | bigint)[] = [0]
    await this.#call('GetLayerMountPath', types, id, info, id, length, null)
    const characters = Number(length[0])
    if (characters === 0) return ''
    const buffer = Buffer.alloc(characters * 2)
    await this.#call('GetLayerMountPath', types, id, info, id, [characters], buffer)
    return buffer.toString('utf16le').split('\0', 1)[0] ?? ''
  }

  async importLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await this.#folderCall('ImportLayer', info, id, folder, chain)
  }

  async exportLayer(
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    await this.#folderCall('ExportLayer', info, id, folder, chain)
  }

  async getBaseImages(): Promise<string> {
    const json: (string | null)[] = [null]
    await this.#call('GetBaseImages', [this.#types.outString], '', json)
    return json[0] ?? ''
  }

  async nameToGuid(name: string): Promise<Uint8Array> {
    const guid = Buffer.alloc(16)
    await this.#call('NameToGuid', ['str16', 'void *'], name, name, guid)
    return new Uint8Array(guid)
  }

  async processBaseImage(path: string): Promise<void> {
    await this.#call('ProcessBaseImage', ['str16'], path, path)
  }

  async processUtilityImage(path: string): Promise<void> {
    await this.#call('ProcessUtilityImage', ['str16'], path, path)
  }

  async grantVmAccess(vmID: string, file: string): Promise<void> {
    await this.#call('GrantVmAccess', ['str16', 'str16'], `${vmID} ${file}`, vmID, file)
  }

  async #layerCall(name: string, info: HcsDriverInfo, id: string): Promise<void> {
    await this.#call(name, [this.#types.driver, 'str16'], id, info, id)
  }

  async #folderCall(
    name: string,
    info: HcsDriverInfo,
    id: string,
    folder: string,
    chain: readonly HcsLayer[],
  ): Promise<void> {
    const { driver, layers } = this.#types
    const types = [driver, 'str16', 'str16', layers, 'uint32']
    await this.#call(name, types, `${id} ${folder}`, info, id, folder, ...chainOf(chain))
  }

  async #importBegin(
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<HcsImport> {
    const { chainArgs, outPointer } = this.#types
    const context: unknown[] = [null]
    const types = [...chainArgs, outPointer]
    await this.#call('ImportLayerBegin', types, id, info, id, ...chainOf(chain), context)
    let open = true
    const end = async () => {
      if (!open) return
      open = false
      await this.#call('ImportLayerEnd', ['void *'], id, context[0])
    }
    return {
      next: async (name, file) => {
        const args = [context[0], name, file ? infoBytes(file) : null]
        await this.#call('ImportLayerNext', ['void *', 'str16', 'void *'], name, ...args)
      },
      write: async (bytes) => {
        const types = ['void *', 'void *', 'uint32']
        await this.#call('ImportLayerWrite', types, id, context[0], bytes, bytes.length)
      },
      end,
      [Symbol.asyncDispose]: end,
    }
  }

  async #exportBegin(
    info: HcsDriverInfo,
    id: string,
    chain: readonly HcsLayer[],
  ): Promise<HcsExport> {
    const { chainArgs, outPointer, outString, outInt64, outUint32 } = this.#types
    const context: unknown[] = [null]
    const types = [...chainArgs, outPointer]
    await this.#call('ExportLayerBegin', types, id, info, id, ...chainOf(chain), context)
    let open = true
    return {
      next: async () => {
        const name: (string | null)[] = [null]
        const bytes = Buffer.alloc(BASIC_INFO_BYTES)
        const [size, deleted]: (number | bigint)[][] = [[0], [0]]
        const nextTypes = ['void *', outString, 'void *', outInt64, outUint32]
        try {
          const args = [context[0], name, bytes, size, deleted]
          await this.#call('ExportLayerNext', nextTypes, id, ...args)
        } catch (error) {
          if (error instanceof HcsError && error.status === NO_MORE_FILES) return undefined
          throw error
        }
        return {
          name: name[0] ?? '',
          info: parseInfo(bytes),
          size: Number(size?.[0]),
          deleted: Number(deleted?.[0]) !== 0,
        }
      },
      read: async () => {
        const buffer = Buffer.allocUnsafe(READ_BYTES)
        const got = [0]
        const readTypes = ['void *', 'void *', 'uint32', outUint32]
        await this.#call('ExportLayerRead', readTypes, id, context[0], buffer, READ_BYTES, got)
        return buffer.subarray(0, got[0])
      },
      [Symbol.asyncDispose]: async () => {
        if (!open) return
        open = false
        await this.#call('ExportLayerEnd', ['void *'], id, context[0])
      },
    }
  }

  /** Calls a function that returns an HRESULT. @throws HcsError if it is negative */
  async #call(
    name: string,
    types: readonly unknown[],
    rest: string,
    ...args: readonly unknown[]
  ): Promise<void> {
    let bound = this.#functions.get(name)
    if (!bound) {
      bound = this.#library.func(name, 'int32', types)
      this.#functions.set(name, bound)
    }
    const result = await onThread(bound, ...args)
    if (result < 0) throw new HcsError(name, result, rest)
  }

  #has(name: string): boolean {
    try {
      this.#library.func(name, 'int32', [])
      return true
    } catch {
      // That is how koffi says that there is none.
      return false
    }
  }
}

interface Types {
  readonly driver: unknown
  readonly layers: unknown
  readonly chainArgs: readonly unknown[]
  readonly outUint32: unknown
  readonly outInt64: unknown
  readonly inoutSize: unknown
  readonly outPointer: unknown
  readonly outString: unknown
}

/** Layouts of hcsshim's `layerutils.go`, as C has them on x86_64. */
function typesOf(koffi: Koffi, ole32: Library): Types {
  const driverInfo = koffi.struct({ flavour: 'int', homeDir: 'str16' })
  assertSize(koffi, 'DRIVER_INFO', driverInfo, 16)
  const descriptor = koffi.struct({
    guid: koffi.array('uint8', 16),
    flags: 'uint32',
    path: 'str16',
  })
  assertSize(koffi, 'WC_LAYER_DESCRIPTOR', descriptor, 32)
  const driver = koffi.pointer(driverInfo)
  const layers = koffi.pointer(descriptor)
  const string = koffi.disposable('str16', ole32.func('CoTaskMemFree', 'void', ['void *']))
  const out = (type: unknown) => koffi.out(koffi.pointer(type))
  return {
    driver,
    layers,
    chainArgs: [driver, 'str16', layers, 'uint32'],
    outUint32: out('uint32'),
    outInt64: out('int64'),
    inoutSize: koffi.inout(koffi.pointer('size_t')),
    outPointer: out('void *'),
    outString: out(string),
  }
}

/** A chain as its two arguments: `NULL, 0` if there is none. */
function chainOf(chain: readonly HcsLayer[]): [unknown, number] {
  const layers = chain.map(({ guid, path }) => ({ guid: [...guid], flags: 0, path }))
  return [layers.length === 0 ? null : layers, layers.length]
}

function infoBytes(info: FileBasicInfo): Buffer {
  const bytes = Buffer.alloc(BASIC_INFO_BYTES)
  bytes.writeBigInt64LE(info.creation, 0)
  bytes.writeBigInt64LE(info.lastAccess, 8)
  bytes.writeBigInt64LE(info.lastWrite, 16)
  bytes.writeBigInt64LE(info.change, 24)
  bytes.writeUInt32LE(info.attributes, 32)
  return bytes
}

/** `FILE_BASIC_INFO` as it lies in memory. */
export function parseInfo(bytes: Buffer): FileBasicInfo {
  return {
    creation: bytes.readBigInt64LE(0),
    lastAccess: bytes.readBigInt64LE(8),
    lastWrite: bytes.readBigInt64LE(16),
    change: bytes.readBigInt64LE(24),
    attributes: bytes.readUInt32LE(32),
  }
}

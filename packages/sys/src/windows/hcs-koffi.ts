import type { Hcs, HcsDriverInfo, HcsLayer } from './hcs.ts'
import { callsOf, type HcsCall, hasFunction } from './hcs-call.ts'
import { beginExport, beginImport } from './hcs-streams.ts'
import { chainOf, type HcsTypes, typesOf } from './hcs-types.ts'
import type { Koffi, Library } from './koffi.ts'

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
  readonly #call: HcsCall
  readonly #types: HcsTypes
  #preparing: Promise<unknown> = Promise.resolve()

  constructor(koffi: Koffi, vmcompute: Library, ole32: Library) {
    const call = callsOf(vmcompute)
    const types = typesOf(koffi, ole32)
    this.#call = call
    this.#types = types
    this.tp4 = !hasFunction(vmcompute, 'HNSCall')
    if (hasFunction(vmcompute, 'ImportLayerBegin')) {
      this.importLayerBegin = (...args) => beginImport(call, types, ...args)
    }
    if (hasFunction(vmcompute, 'ExportLayerBegin')) {
      this.exportLayerBegin = (...args) => beginExport(call, types, ...args)
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
}

import { basename } from 'node:path'
import type { Hcs, HcsDriverInfo, HcsLayer, Privileges, VirtDisk, WinFs, WinRoot } from '@varve/sys'
import type { UpperPlace } from '../layer/upper-place.ts'
import type { Home } from './home.ts'
import type { Transitions } from './layers/layer-use.ts'

/** Of NTFS and of the disk, in bytes; hcsshim's `expandSandboxVolume` counts in them. */
const CLUSTER = 4096n
const SECTOR = 512n

/** What {@link Service} calls. */
export interface Ports {
  readonly hcs: Hcs
  readonly fs: WinFs
  readonly virtDisk: VirtDisk
  readonly privileges: Privileges
}

/**
 * The host compute service as a driver calls it: ids become what the service takes, chains become
 * descriptors.
 */
export class Service {
  readonly home: Home
  readonly hcs: Hcs
  readonly fs: WinFs
  readonly privileges: Privileges
  readonly #ports: Ports
  readonly #info: HcsDriverInfo
  readonly #wholePaths: boolean

  /**
   * @param wholePaths ids are given as whole paths and the home not at all, as today's hcsshim does;
   *   Docker 1.11 gave the home, and ids as they are
   */
  constructor(home: Home, ports: Ports, flavour: 0 | 1, wholePaths: boolean) {
    this.home = home
    this.hcs = ports.hcs
    this.fs = ports.fs
    this.privileges = ports.privileges
    this.#ports = ports
    this.#wholePaths = wholePaths
    this.#info = { flavour, homeDir: wholePaths ? '' : home.root }
  }

  async exists(name: string): Promise<boolean> {
    try {
      return await this.hcs.layerExists(this.#info, this.#id(name))
    } catch {
      // Docker's rule: whatever cannot be told is not there.
      return false
    }
  }

  async mountPath(name: string): Promise<string> {
    return await this.hcs.getLayerMountPath(this.#info, this.#id(name))
  }

  async createLayer(name: string, parent: string): Promise<void> {
    await this.hcs.createLayer(this.#info, this.#id(name), parent)
  }

  async createSandbox(
    name: string,
    parent: string | undefined,
    chain: readonly string[],
  ): Promise<void> {
    const layers = await this.layers(chain)
    await this.hcs.createSandboxLayer(this.#info, this.#id(name), parent, layers)
  }

  async expand(name: string, bytes: bigint): Promise<void> {
    await this.hcs.expandSandboxSize(this.#info, this.#id(name), bytes)
  }

  /**
   * Makes a scratch layer's file system as large as its disk, as hcsshim does after it has expanded
   * that: the service does so itself only when the layer is prepared.
   */
  async extendVolume(name: string): Promise<void> {
    const { virtDisk } = this.#ports
    await using disk = await virtDisk.attach(this.home.disk(name))
    if (disk === undefined) return
    const volume = (await this.mountPath(name)).replace(/\\$/, '')
    const { partition, fileSystem } = await virtDisk.sizesOf(volume)
    const target = partition / CLUSTER
    // NTFS keeps a cluster for itself; to extend by nothing would be an error.
    if (fileSystem / CLUSTER + 1n >= target) return
    await virtDisk.extend(volume, target * (CLUSTER / SECTOR))
  }

  async destroy(name: string): Promise<void> {
    await this.hcs.destroyLayer(this.#info, this.#id(name))
  }

  /** Gives a scratch layer all that another one has. */
  async copyDisk(from: string, to: string): Promise<void> {
    await this.#ports.virtDisk.copy(this.home.disk(from), this.home.disk(to))
  }

  async detach(disk: string): Promise<void> {
    await this.#ports.virtDisk.detach(disk)
  }

  /** Descriptors of a chain: the service names each folder. */
  async layers(chain: readonly string[]): Promise<HcsLayer[]> {
    const layers: HcsLayer[] = []
    for (const path of chain) {
      const guid = await this.hcs.nameToGuid(basename(path.replaceAll('\\', '/')))
      layers.push({ guid, path })
    }
    return layers
  }

  /** What reads or writes a layer on others needs. */
  async place(name: string, chain: readonly string[], root: WinRoot): Promise<UpperPlace> {
    const { hcs, fs } = this
    const layers = await this.layers(chain)
    return { hcs, fs, info: this.#info, id: this.#id(name), chain: layers, root }
  }

  /** How a layer is mounted and unmounted. */
  transitions(id: string): Transitions {
    const { hcs } = this
    const info = this.#info
    const name = async () => this.#id(await this.home.resolve(id))
    return {
      activate: async () => await hcs.activateLayer(info, await name()),
      deactivate: async () => await hcs.deactivateLayer(info, await name()),
      prepare: async () => {
        const chain = await this.home.chain(await this.home.resolve(id))
        await hcs.prepareLayer(info, await name(), await this.layers(chain))
      },
      unprepare: async () => await hcs.unprepareLayer(info, await name()),
      mountPath: async () =>
        // A layer without a mount path is its folder.
        (await hcs.getLayerMountPath(info, await name())) || this.home.dir(id),
    }
  }

  #id(name: string): string {
    return this.#wholePaths ? this.home.dir(name) : name
  }
}

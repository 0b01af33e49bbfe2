import { resolve } from 'node:path'
import process from 'node:process'
import { LayerError } from '@varve/core'
import { type Hcs, openSys, openWindows, type Sys, type WindowsLibraries } from '@varve/sys'
import { asidesIn, openTrees } from '@varve/trees'
import { importInChild } from './apply/child/import-in-child.ts'
import type { ServiceOfChild } from './apply/child/job.ts'
import { type Command, ownCommand } from './apply/child/start-child.ts'
import { type Importer, importFolder, importHere, importHome } from './apply/importer.ts'
import { wrapHcs } from './errors.ts'
import { Home } from './home.ts'
import { imitation } from './imitation.ts'
import { LayerUses } from './layers/layer-uses.ts'
import type { Parts } from './parts.ts'
import { readOnlyDriver } from './read-only.ts'
import { type Ports, Service } from './service.ts'
import { type WindowsDriver, WindowsLayerDriver } from './windows-driver.ts'

/** How {@link windows} opens. */
export interface WindowsOptions {
  /** The driver's home, as Docker's `<data root>\windowsfilter`; made if it is missing. */
  readonly root: string
  /** Read layers that somebody else keeps; nothing is made or changed. Default false. */
  readonly readOnly?: boolean
  /** `filter`: files, shown through a filter. `diff`: differencing disks, of Docker 1.11. Default `filter`. */
  readonly flavour?: 'filter' | 'diff'
  /** Whose way of calling the service to follow: today's moby and hcsshim, or Docker 1.11's. */
  readonly compat?: 'v1.11' | 'current'
  /** What does the work. Default: the host compute service on Windows, its imitation elsewhere. */
  readonly ports?: Partial<Ports>
  /** Where to find the libraries of Windows, if not by their names. */
  readonly libraries?: WindowsLibraries
  /**
   * Where tars are imported: in this process, in a `child` that opens the service for itself, or in
   * one that a command starts, which calls `runImportChild`. Default: a child, if this driver has
   * opened the host compute service itself; moby does the same, as what an import needs are
   * privileges of a whole process. Differencing disks and TP4 never need any.
   */
  readonly importIn?: 'process' | 'child' | { readonly command: Command }
  /** The system, if it is open already. */
  readonly sys?: Sys
}

/**
 * A driver that keeps Windows layers, in the layout of Docker's `windowsfilter`, by the calls of the
 * host compute service. Elsewhere than on Windows an imitation of the service over plain directories
 * takes its place, so that the same layers can be loaded, checked, changed and given back.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` on ReFS; `ERR_PERMISSION`, `ERR_IO` if the home cannot be used
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { emptyTar, newCacheID } from '@varve/core'
 * import { windows } from '@varve/driver-windows'
 *
 * await using driver = await windows({ root: await mkdtemp(join(tmpdir(), 'windows-')) })
 * const id = newCacheID()
 * await driver.create(id)
 * await using applied = await driver.applyDiff(id, undefined, [emptyTar()])
 * console.assert(applied.size === 0)
 * ```
 */
export async function windows(options: WindowsOptions): Promise<WindowsDriver> {
  const { flavour = 'filter', compat = 'current', sys = openSys() } = options
  const home = new Home(resolve(options.root))
  try {
    const ports = portsFor(options)
    if (!options.readOnly) await home.make()
    const fileSystem = await ports.fs.fileSystemOf(home.root)
    if (fileSystem?.toUpperCase() === 'REFS') {
      throw new LayerError(
        'ERR_NOT_SUPPORTED',
        `Cannot keep Windows layers in ${home.root}: ReFS`,
        {
          data: { root: home.root },
          hint: 'Choose a root on NTFS',
        },
      )
    }
    const service = new Service(home, ports, flavour === 'diff' ? 0 : 1, compat === 'current')
    const trees = openTrees(sys, false)
    const parts: Parts = {
      service,
      fs: ports.fs,
      sys,
      trees,
      importer: importerFor(service, sys, options),
      uses: new LayerUses(service),
      asides: asidesIn(home.aside, sys, (path) => trees.remove(path)),
      compat,
      flavour,
    }
    const driver = new WindowsLayerDriver(parts)
    return options.readOnly ? readOnlyDriver(driver, home.root) : driver
  } catch (error) {
    throw wrapHcs(error, `Cannot open the Windows driver in ${home.root}`)
  }
}

function importerFor(service: Service, sys: Sys, options: WindowsOptions): Importer {
  const { flavour, compat = 'current', importIn = defaultPlace(service, options) } = options
  if (flavour === 'diff') return importHome(service, sys)
  if (service.hcs.tp4) return importFolder(service, sys)
  if (importIn === 'process') return importHere(service, compat)
  const command = importIn === 'child' ? ownCommand() : importIn.command
  return importInChild(service, compat, serviceOfChild(service.hcs, options), command)
}

/** Ports that somebody has made are not to be had in another process. */
function defaultPlace({ hcs }: Service, { ports }: WindowsOptions): 'child' | 'process' {
  return hcs.kind === 'windows' && ports === undefined ? 'child' : 'process'
}

function serviceOfChild(hcs: Hcs, { libraries = {} }: WindowsOptions): ServiceOfChild {
  if (hcs.kind === 'windows') return { kind: 'windows', libraries }
  const { tp4 } = hcs
  return { kind: 'directories', streaming: hcs.importLayerBegin !== undefined, tp4 }
}

function portsFor({ ports: given = {}, libraries }: WindowsOptions): Ports {
  const { hcs, fs, virtDisk, privileges } = given
  if (hcs && fs && virtDisk && privileges) return { hcs, fs, virtDisk, privileges }
  const own = process.platform === 'win32' && !hcs ? openWindows(libraries) : imitation()
  return { ...own, ...given }
}

import { resolve } from 'node:path'
import process from 'node:process'
import { LayerError } from '@varve/core'
import { openSys, openWindows, type Privileges, type Sys, type WinFs } from '@varve/sys'
import { asidesIn, openTrees } from '@varve/trees'
import { emulatedDisks } from '../emulated/emulated-disks.ts'
import { emulatedFs } from '../emulated/emulated-fs.ts'
import { emulatedHcs } from '../emulated/emulated-hcs.ts'
import { type Importer, importFolder, importHere, importHome } from './apply/importer.ts'
import { wrapHcs } from './errors.ts'
import { Home } from './home.ts'
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
    const ports = portsFor(options.ports)
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
      importer: importerFor(service, ports.fs, sys, options),
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

function importerFor(service: Service, fs: WinFs, sys: Sys, options: WindowsOptions): Importer {
  if (options.flavour === 'diff') return importHome(service, sys)
  if (service.hcs.tp4) return importFolder(service, fs, sys)
  return importHere(service, fs, options.compat ?? 'current')
}

function portsFor(given: Partial<Ports> = {}): Ports {
  const { hcs, fs, virtDisk, privileges } = given
  if (hcs && fs && virtDisk && privileges) return { hcs, fs, virtDisk, privileges }
  const own = process.platform === 'win32' && !hcs ? openWindows() : imitation()
  return { ...own, ...given }
}

function imitation(): Ports {
  return {
    hcs: emulatedHcs(),
    fs: emulatedFs(),
    virtDisk: emulatedDisks(),
    privileges: NO_PRIVILEGES,
  }
}

const NO_PRIVILEGES: Privileges = { with: (_names, work) => work() }

import process from 'node:process'
import { type Driver, LayerError } from '@varve/core'

/** How this command makes a driver: a new driver is one more line in {@link DRIVERS}. */
interface DriverKind {
  /** Folder of the driver's files in the root, as Docker names it. */
  readonly home: string
  /** Loads the package only when it is used, so that `varve --help` is quick. */
  readonly make: (home: string, options: { readonly readOnly: boolean }) => Promise<Driver>
}

const DRIVERS: Readonly<Record<string, DriverKind>> = {
  vfs: {
    home: 'vfs',
    make: async (root, options) => (await import('@varve/driver-vfs')).vfs({ root, ...options }),
  },
  overlay2: {
    home: 'overlay2',
    make: async (root, options) =>
      (await import('@varve/driver-overlay')).overlay({ root, ...options }),
  },
  erofs: {
    home: 'erofs',
    // Who may not mount can still load, save and look.
    make: async (root, options) =>
      (await import('@varve/driver-erofs')).erofs({
        root,
        mounts: process.geteuid?.() === 0,
        ...options,
      }),
  },
  windowsfilter: {
    home: 'windowsfilter',
    make: async (root, options) =>
      (await import('@varve/driver-windows')).windows({ root, ...options }),
  },
}

/** What people call a driver → what Docker called it last. */
const ALIASES: Readonly<Record<string, string>> = { overlay: 'overlay2', windows: 'windowsfilter' }

/** The name under which a driver's layers are kept. */
export function canonicalName(name: string): string {
  return Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name
}

/** Names of the drivers that this command has. */
export const driverNames: readonly string[] = Object.keys(DRIVERS)

/** The driver called `name`. @throws LayerError `ERR_NOT_SUPPORTED` for one that varve has not */
export function driverKind(name: string): DriverKind {
  const kind = Object.hasOwn(DRIVERS, name) ? DRIVERS[name] : undefined
  if (kind) return kind
  throw new LayerError('ERR_NOT_SUPPORTED', `Cannot use driver ${JSON.stringify(name)}: unknown`, {
    data: { driver: name, known: driverNames },
    hint: `Drivers of this varve: ${driverNames.join(', ')}`,
  })
}

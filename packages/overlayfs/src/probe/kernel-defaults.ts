import { readFileSync } from 'node:fs'

/** What the overlay module does unless a mount says otherwise; undefined for what it cannot do. */
export interface KernelDefaults {
  readonly index: boolean | undefined
  readonly metacopy: boolean | undefined
  readonly redirectDir: boolean | undefined
}

/** Linux `Documentation/filesystems/overlayfs.rst`: each is a parameter of the module. */
export function kernelDefaults(): KernelDefaults {
  return {
    index: parameter('index'),
    metacopy: parameter('metacopy'),
    redirectDir: parameter('redirect_dir'),
  }
}

function parameter(name: string): boolean | undefined {
  try {
    return readFileSync(`/sys/module/overlay/parameters/${name}`, 'latin1').trim() === 'Y'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { AT, type NativeCalls, O, S, type Sys, type SysError } from '@varve/sys'

const bytes = (text: string) => new TextEncoder().encode(text)

/** How the kernel says that there are no projects, or no quota of them, here or for this user. */
const NONE: ReadonlySet<string> = new Set(
  'ENOTTY ENOTSUP ENOSYS ESRCH EINVAL ENODEV ENOTBLK ENXIO EPERM EACCES'.split(' '),
)

/** Docker's name for it (moby `quota/projectquota.go`, `makeBackingFsDev`). */
const DEVICE = 'backingFsBlockDev'

/**
 * Limits of layers by the file system's project quota, as Docker sets them (moby `quota/
 * projectquota.go`): the directory of a limited layer is a project of its own, whatever is made in
 * it belongs to the same, and its number is above the highest in the home. Quotas are asked for by
 * their block device, of which there is a node in the home.
 */
export class ProjectQuota {
  readonly #root: string
  readonly #sys: Sys
  readonly #native: NativeCalls
  readonly #device: Uint8Array

  constructor(root: string, sys: Sys, native: NativeCalls) {
    this.#root = root
    this.#sys = sys
    this.#native = native
    this.#device = bytes(join(root, DEVICE))
  }

  /** Why layers cannot be limited here; undefined if they can. */
  reasonAgainst(): string | undefined {
    try {
      this.#makeDevice()
      const { accounting, enforced } = this.#native.quotaState(this.#device)
      if (enforced) return undefined
      return accounting ? 'project quota is counted, but not enforced' : 'project quota is off'
    } catch (error) {
      const { code, message } = error as SysError
      if (!NONE.has(code)) throw error
      this.#native.unlinkIfAny(AT.FDCWD, this.#device)
      return `there is no project quota (${message})`
    }
  }

  /**
   * Limits a layer that is being made: its directory is there, and empty.
   *
   * @param limit in bytes
   * @throws LayerError `ERR_NOT_SUPPORTED`
   */
  async limit(layer: string, limit: number): Promise<void> {
    // Two processes must not find the same number.
    using _lock = await this.#sys.lockFile(join(this.#root, 'quota.lock'), { mode: 'exclusive' })
    const reason = this.reasonAgainst()
    if (reason !== undefined) throw notHere(reason)
    const project = await this.#nextProject()
    this.#native.setProjectLimit(this.#device, project, limit)
    this.#onDirectory(layer, (fd) => this.#native.setProject(fd, project))
  }

  /** How much a layer may have of its own, in bytes; undefined if that is not limited. */
  limitOf(layer: string): number | undefined {
    const project = this.projectOf(layer)
    if (project === undefined) return undefined
    this.#makeDevice()
    return this.#native.projectUse(this.#device, project).limit || undefined
  }

  /** The project that is this layer's alone, if any. */
  projectOf(layer: string): number | undefined {
    const project = this.#read(layer)
    return project === 0 || project === this.#read(this.#root) ? undefined : project
  }

  /** After all that was in a project is deleted: its number is free again. */
  forget(project: number): void {
    this.#makeDevice()
    this.#native.setProjectLimit(this.#device, project, 0)
  }

  /** Gives a directory the project of another, without which it could not be moved there. */
  adopt(directory: string, parent: string): void {
    const project = this.#read(parent)
    this.#onDirectory(directory, (fd) => this.#native.setProject(fd, project))
  }

  async #nextProject(): Promise<number> {
    let highest = this.#read(this.#root)
    for (const entry of await readdir(this.#root, { withFileTypes: true })) {
      if (entry.isDirectory()) highest = Math.max(highest, this.#read(join(this.#root, entry.name)))
    }
    for (let project = highest + 1; ; project++) {
      // Others may have projects on the same file system.
      const { limit, used, inodes } = this.#native.projectUse(this.#device, project)
      if (limit === 0 && used === 0 && inodes === 0) return project
    }
  }

  /** The project of a directory; 0 is none. */
  #read(path: string): number {
    try {
      return this.#onDirectory(path, (fd) => this.#native.projectOf(fd))
    } catch (error) {
      if (NONE.has((error as SysError).code)) return 0
      throw error
    }
  }

  /** A node of the device that the home is on now, which may be another than the last time. */
  #makeDevice(): void {
    const native = this.#native
    const { dev } = native.statat(AT.FDCWD, bytes(this.#root))
    const [major, minor] = [Math.floor(dev / 2 ** 20), dev % 2 ** 20]
    const found = native.statIfAny(AT.FDCWD, this.#device)
    const isIt =
      found !== undefined &&
      (found.mode & S.IFMT) === S.IFBLK &&
      found.rdevMajor === major &&
      found.rdevMinor === minor
    if (isIt) return
    native.unlinkIfAny(AT.FDCWD, this.#device)
    native.mknodat(AT.FDCWD, this.#device, S.IFBLK | 0o600, major, minor)
  }

  #onDirectory<T>(path: string, use: (fd: number) => T): T {
    const native = this.#native
    const fd = native.openat(AT.FDCWD, bytes(path), O.RDONLY | O.DIRECTORY)
    try {
      return use(fd)
    } finally {
      native.close(fd)
    }
  }
}

function notHere(reason: string): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot limit the size of a layer: ${reason}`, {
    hint: 'Keep the store on xfs mounted with pquota, or on ext4 with the feature "project" mounted with prjquota; or leave the size out',
  })
}

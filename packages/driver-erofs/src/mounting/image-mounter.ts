import { LayerError } from '@varve/core'
import { AT, MOUNT_ATTR, type NativeCalls, O, type SysError } from '@varve/sys'

/**
 * How the kernel gets at images.
 * - `files`: it reads the files themselves (Linux 6.12, where the file system lends itself to it).
 * - `loop`: each file is made a block device, which is gone with the mount.
 */
export const IMAGE_METHODS = ['files', 'loop'] as const

/** One of {@link IMAGE_METHODS}. */
export type ImageMethod = (typeof IMAGE_METHODS)[number]

/** The kernel takes no longer strings as a setting. */
const MAX_SETTING = 255
/** What it says of a file that it wants as a block device. */
const NO_FILE: ReadonlySet<string> = new Set(['ENOTBLK', 'EINVAL'])

const bytes = (text: string) => new TextEncoder().encode(text)

/** Mounts images of layers. */
export class ImageMounter {
  readonly #native: NativeCalls
  readonly #method: ImageMethod

  constructor(native: NativeCalls, method: ImageMethod) {
    this.#native = native
    this.#method = method
  }

  /**
   * @param files the image, then its devices
   * @param target an empty directory
   */
  mount(files: readonly string[], target: string): void {
    const native = this.#native
    const mountfd = this.#method === 'loop' ? this.#onLoops(files) : this.#onFiles(files)
    try {
      native.moveMount(mountfd, bytes(target))
    } finally {
      native.close(mountfd)
    }
  }

  #onFiles(files: readonly string[]): number {
    return this.#withFiles(files, (fds) =>
      this.#make(
        files.map((path, i) =>
          bytes(path).length > MAX_SETTING ? `/proc/self/fd/${fds[i]}` : path,
        ),
      ),
    )
  }

  #onLoops(files: readonly string[]): number {
    const native = this.#native
    const loops: number[] = []
    try {
      const paths = this.#withFiles(files, (fds) =>
        fds.map((fd, i) => {
          const loop = native.attachLoop(fd, files[i] ?? '')
          loops.push(loop.fd)
          return loop.path
        }),
      )
      return this.#make(paths)
    } finally {
      // The mount has them now; without one they are gone.
      for (const fd of loops) native.close(fd)
    }
  }

  #withFiles<T>(files: readonly string[], use: (fds: readonly number[]) => T): T {
    const fds: number[] = []
    try {
      for (const path of files) fds.push(this.#native.openat(AT.FDCWD, bytes(path), O.RDONLY))
      return use(fds)
    } finally {
      for (const fd of fds) this.#native.close(fd)
    }
  }

  /** A mount that is nowhere yet. */
  #make([image = '', ...devices]: readonly string[]): number {
    const native = this.#native
    const fsfd = native.fsopen('erofs')
    try {
      // Otherwise a read-only block device is EACCES.
      native.fsconfig(fsfd, 'ro', true)
      native.fsconfig(fsfd, 'source', image)
      for (const path of devices) native.fsconfig(fsfd, 'device', path)
      native.fscreate(fsfd)
      return native.fsmount(fsfd, MOUNT_ATTR.RDONLY)
    } catch (error) {
      const reason = native.fsmessages(fsfd)
      if (reason !== '') (error as SysError).message += ` (${reason.replaceAll('\n', '; ')})`
      throw error
    } finally {
      native.close(fsfd)
    }
  }
}

/**
 * The best method that works for files of a file system.
 *
 * @param image one that can be mounted
 * @param target an empty directory; unmounted again
 * @throws LayerError `ERR_NOT_SUPPORTED`
 */
export function probeImages(
  native: NativeCalls,
  image: string,
  target: string,
  methods: readonly ImageMethod[],
): ImageMethod {
  let failure: unknown
  for (const method of methods) {
    try {
      new ImageMounter(native, method).mount([image], target)
    } catch (error) {
      failure = error
      if (method === 'files' && NO_FILE.has((error as SysError).code)) continue
      break
    }
    native.umount2(bytes(target), 0)
    return method
  }
  throw unsupported(`the kernel does not mount EROFS images of 512-byte blocks`, failure)
}

const WAY_OUT = 'Use Linux 6.4 or newer with EROFS, or the driver overlay2 or vfs'

/** `ERR_NOT_SUPPORTED`: nothing can be mounted there. */
export function unsupported(why: string, cause?: unknown, hint: string = WAY_OUT): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot use the erofs driver: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint,
  })
}

import { AT, O } from '../constants.ts'
import type { DeviceCalls } from '../device-calls.ts'
import type { Context } from './context.ts'

// linux/loop.h
const LOOP_CONFIGURE = 0x4c0a
const LOOP_CTL_GET_FREE = 0x4c82
const LO_FLAGS_READ_ONLY = 1
const LO_FLAGS_AUTOCLEAR = 4
/** `struct loop_config`: descriptor, block size, then `struct loop_info64` with flags and name. */
const CONFIG = { bytes: 304, blockSize: 4, flags: 60, name: 64, nameBytes: 63 } as const
/** Somebody else may take the free device first. */
const ATTEMPTS = 64

// linux/fsverity.h
const FS_IOC_ENABLE_VERITY = 0x40806685
const FS_IOC_MEASURE_VERITY = 0xc0046686
const ENABLE_ARG_BYTES = 128
const VERITY_VERSION = 1
const VERITY_SHA256 = 1
const VERITY_BLOCK = 4096
const SHA256_BYTES = 32
/** What those say that have no verity: the file system, the kernel, the file. */
const NO_VERITY: ReadonlySet<string> = new Set(['ENOTTY', 'ENOTSUP', 'EOPNOTSUPP', 'ENODATA'])

const encoder = new TextEncoder()

/** Loop devices and fs-verity; see `device-calls.ts`. */
export function deviceCalls(context: Context): DeviceCalls {
  const { libc } = context
  const open = (path: string): number => {
    const name = encoder.encode(path)
    const fd = libc.openat(AT.FDCWD, context.path(name, 'open'), O.RDWR | O.CLOEXEC, 0)
    if (fd < 0) throw context.error('open', name)
    return fd
  }
  const freeDevice = (): number => {
    const control = open('/dev/loop-control')
    try {
      const number = libc.ioctl(control, LOOP_CTL_GET_FREE, 0)
      if (number < 0) throw context.error('ioctl(LOOP_CTL_GET_FREE)')
      return number
    } finally {
      libc.close(control)
    }
  }
  return {
    attachLoop(fd, name) {
      const config = new Uint8Array(CONFIG.bytes)
      const view = new DataView(config.buffer)
      view.setUint32(0, fd, true)
      view.setUint32(CONFIG.blockSize, 512, true)
      view.setUint32(CONFIG.flags, LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR, true)
      const shown = config.subarray(CONFIG.name, CONFIG.name + CONFIG.nameBytes)
      encoder.encodeInto(name, shown)
      for (let attempt = 1; ; attempt++) {
        const path = `/dev/loop${freeDevice()}`
        const device = open(path)
        if (libc.ioctlBuffer(device, LOOP_CONFIGURE, config) >= 0) return { path, fd: device }
        const error = context.error('ioctl(LOOP_CONFIGURE)', encoder.encode(path))
        libc.close(device)
        if (error.code !== 'EBUSY' || attempt === ATTEMPTS) throw error
      }
    },
    async enableVerity(fd) {
      const argument = new Uint8Array(ENABLE_ARG_BYTES)
      const view = new DataView(argument.buffer)
      view.setUint32(0, VERITY_VERSION, true)
      view.setUint32(4, VERITY_SHA256, true)
      view.setUint32(8, VERITY_BLOCK, true)
      const errno = await libc.ioctlBufferAsync(fd, FS_IOC_ENABLE_VERITY, argument)
      const code = errno === 0 ? 'EEXIST' : libc.nameOf(errno)
      if (code === 'EEXIST') return true
      // A file system of blocks that are smaller than those of the tree.
      if (NO_VERITY.has(code) || code === 'EINVAL') return false
      throw context.errorOf(errno, 'ioctl(FS_IOC_ENABLE_VERITY)')
    },
    measureVerity(fd) {
      const digest = new Uint8Array(4 + SHA256_BYTES)
      new DataView(digest.buffer).setUint16(2, SHA256_BYTES, true)
      if (libc.ioctlBuffer(fd, FS_IOC_MEASURE_VERITY, digest) >= 0) return digest.slice(4)
      if (NO_VERITY.has(context.code())) return undefined
      throw context.error('ioctl(FS_IOC_MEASURE_VERITY)')
    },
  }
}

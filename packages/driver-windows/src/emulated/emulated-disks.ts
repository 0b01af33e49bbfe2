import { dirname } from 'node:path'
import type { VirtDisk } from '@varve/sys'
import { fault } from './fault.ts'
import { copyScratch, isScratch, readDisk, SECTOR, writeDisk } from './scratch-folder.ts'

/**
 * The disks of scratch layers on any system: see `emulatedHcs`. Their partition is as large as they
 * are, and a file system stays as large as it was until it is extended.
 */
export function emulatedDisks(): VirtDisk {
  const attached = new Set<string>()
  const find = async (dir: string, call: string): Promise<void> => {
    if (!(await isScratch(dir))) throw fault('ENOENT', call, dir)
  }
  return {
    async attach(path) {
      await find(dirname(path), 'AttachVirtualDisk')
      if (attached.has(path)) throw fault('EBUSY', 'AttachVirtualDisk', path)
      attached.add(path)
      return { [Symbol.asyncDispose]: async () => void attached.delete(path) }
    },
    async detach(path) {
      await find(dirname(path), 'DetachVirtualDisk')
      attached.delete(path)
    },
    async sizesOf(volume) {
      const { size, fileSystem } = await readDisk(dirname(volume))
      return { partition: size, fileSystem }
    },
    async copy(from, to) {
      for (const path of [from, to]) {
        await find(dirname(path), 'CopyFile')
        if (attached.has(path)) throw fault('EBUSY', 'CopyFile', path)
      }
      await copyScratch(dirname(from), dirname(to))
    },
    async extend(volume, sectors) {
      const dir = dirname(volume)
      const disk = await readDisk(dir)
      const fileSystem = sectors * SECTOR
      if (fileSystem > disk.size || fileSystem <= disk.fileSystem) {
        throw fault('EINVAL', 'FSCTL_EXTEND_VOLUME', volume)
      }
      await writeDisk(dir, { ...disk, fileSystem })
    },
  }
}

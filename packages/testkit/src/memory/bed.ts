import type { MetadataBed } from '../metadata/bed.ts'
import { memoryDisk } from './disk.ts'
import { type MemoryMetadata, memoryMetadata } from './metadata.ts'

/** {@link memoryMetadata} on a disk of its own, as `metadataSuite` wants it. */
export function memoryMetadataBed(): MetadataBed {
  const disk = memoryDisk()
  return {
    open: async () => memoryMetadata(disk),
    crash: async (store) => (store as MemoryMetadata).crash(),
    damage: async (kind, subject) => disk.damage(kind, subject),
    reboot: async () => disk.reboot(),
    [Symbol.asyncDispose]: async () => {},
  }
}

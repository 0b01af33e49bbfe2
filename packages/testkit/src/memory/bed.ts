import type { TarSplitCodec } from '@varve/core'
import type { MetadataBed } from '../metadata/bed.ts'
import type { StoreBed } from '../store/bed.ts'
import { memoryDisk } from './disk.ts'
import { type MemoryDriver, memoryDriver } from './driver/driver.ts'
import { memoryLayers } from './driver/layers.ts'
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

/**
 * A store on {@link memoryDriver} and {@link memoryMetadata}, as `storeSuite` wants it.
 *
 * @param codec what the store turns tars into; without one the driver keeps the tars themselves
 */
export function memoryStoreBed(codec?: TarSplitCodec): StoreBed {
  const disk = memoryDisk()
  const layers = memoryLayers()
  return {
    parts: async () => ({
      driver: memoryDriver({ layers, exactDiffs: codec === undefined }),
      metadata: memoryMetadata(disk),
      ...(codec ? { codec } : {}),
    }),
    crash: async (metadata) => (metadata as MemoryMetadata).crash(),
    damage: async (kind, subject) => disk.damage(kind, subject),
    alter: (driver, id, change) => (driver as MemoryDriver).alter(id, change),
    [Symbol.asyncDispose]: async () => {},
  }
}

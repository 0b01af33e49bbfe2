import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { type ChainID, hexOf, type MetadataStore } from '@varve/core'
import { type FileLock, openSys, type Sys } from '@varve/sys'
import type { MetadataBed } from '@varve/testkit'
import { metadataFs } from '../src/index.ts'
import { scratch } from './stack.ts'

/** A layerdb in a directory of its own, with accidents. */
export function layerdbBed(base: Sys = openSys()): MetadataBed {
  const place = scratch()
  const systems = new Map<MetadataStore, MortalSys>()
  let boot = 1
  return {
    async open() {
      const sys = mortal(base, () => `boot-${boot}`)
      const store = await metadataFs({ root: place.root, sys })
      systems.set(store, sys)
      return store
    },
    async crash(store) {
      systems.get(store)?.die()
    },
    async damage(kind, subject) {
      const path =
        kind === 'layer'
          ? join('sha256', hexOf(subject as ChainID), 'diff')
          : join('mounts', subject, 'mount-id')
      truncateSync(join(place.root, path))
    },
    async reboot() {
      for (const sys of systems.values()) sys.die()
      boot++
    },
    async [Symbol.asyncDispose]() {
      place[Symbol.dispose]()
    },
  }
}

interface MortalSys extends Sys {
  /** Frees every lock, as the kernel does when a process is gone. */
  die(): void
}

function mortal(base: Sys, bootId: () => string): MortalSys {
  const locks: FileLock[] = []
  const keep = <T extends FileLock | undefined>(lock: T): T => {
    if (lock) locks.push(lock)
    return lock
  }
  return {
    ...base,
    lockFile: async (path, options) => keep(await base.lockFile(path, options)),
    tryLockFile: (path, mode) => keep(base.tryLockFile(path, mode)),
    bootId: async () => bootId(),
    die() {
      for (const lock of locks) lock[Symbol.dispose]()
    },
  }
}

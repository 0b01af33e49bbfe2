import { type ByteSource, type CacheID, type Driver, LayerError, type Mount } from '@varve/core'
import { editStream } from '../tar-edit.ts'
import { type BreakDriver, baseName } from './break-driver.ts'

/** What a driver does wrong with whole layers: made, listed, mounted, reset, removed. */
export const LIFE_FAULTS: Readonly<Record<string, BreakDriver>> = {
  'leaves data on remove': () => ({ remove: async () => {} }),
  'fails to remove what is not there': (driver) => ({
    remove: async (id) => {
      if (await driver.exists(id)) return await driver.remove(id)
      throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot remove layer ${id}`)
    },
  }),
  'lists only finished layers': listingOnlyFinished,
  'makes a missing parent': (driver) => ({
    create: async (id, options) => {
      if (options?.parent && !(await driver.exists(options.parent))) return await driver.create(id)
      await driver.create(id, options)
    },
  }),
  'uses any text as an id': (driver) => ({
    create: async (id, options) => {
      if (/^[a-f0-9]{64}/.test(id)) await driver.create(id, options)
    },
  }),
  'does not count mounts': uncountedMounts,
  'does not say that a mount is read-only': (driver) => ({
    mount: async (id, options) => ({ ...(await driver.mount(id, options)), readOnly: false }),
  }),
  'forgets what was written to a mount': (driver) => ({
    mount: async (id) => {
      const copy = `${id.slice(0, 63)}${id[63] === '0' ? '1' : '0'}` as CacheID
      await driver.remove(copy)
      await driver.create(copy, { parent: id })
      const mount = await driver.mount(copy, { readOnly: true })
      const end = async () => {
        await mount[Symbol.asyncDispose]()
        await driver.remove(copy)
      }
      return { ...mount, [Symbol.asyncDispose]: end }
    },
  }),
  'forgets that a mount is kept': (driver) => ({
    mount: (id, { keep: _, ...options } = {}) => driver.mount(id, options),
  }),
  'keeps a mount once however often it is asked': (driver) => ({
    mount: async (id, { keep, ...options } = {}) => {
      const known = (await driver.kept?.(id)) ?? []
      return await driver.mount(id, { ...options, keep: keep === true && known.length === 0 })
    },
  }),
  'removes a layer whose mount is kept': (driver) => ({
    remove: async (id) => {
      for (const { readOnly } of (await driver.kept?.(id).catch(() => [])) ?? []) {
        await driver.unmount?.(id, { readOnly, all: true })
      }
      await driver.remove(id)
    },
  }),
  'makes an empty layer instead of a copy': (driver) => ({
    createReadWrite: (id, { copyOf: _, ...options } = {}) => driver.createReadWrite(id, options),
  }),
  'brings back in a copy what its original deleted': (driver) => ({
    createReadWrite: async (id, { copyOf, ...options } = {}) => {
      await driver.createReadWrite(id, options)
      if (copyOf === undefined) return
      const tar = editStream(driver.diff(copyOf, options.parent), (entry, item) =>
        baseName(item).startsWith('.wh.') ? undefined : entry,
      )
      await using _applied = await driver.applyDiff(id, options.parent, tar as ByteSource)
    },
  }),
  'resets nothing': () => ({ reset: async () => {} }),
  'resets what is mounted': (driver) => ({
    reset: async (id, parent) => {
      try {
        await driver.reset?.(id, parent)
      } catch (error) {
        if (!LayerError.is(error, 'ERR_MOUNT_IN_USE')) throw error
      }
    },
  }),
  'ignores storage options': (driver) => ({
    createReadWrite: (id, { storageOptions: _, ...options } = {}) =>
      driver.createReadWrite(id, options),
  }),
  'cleans up finished layers': (driver) => ({
    cleanup: async () => {
      for await (const id of driver.list()) await driver.remove(id)
      return []
    },
  }),
}

function listingOnlyFinished(driver: Driver): Partial<Driver> {
  const finished = new Set<CacheID>()
  return {
    applyDiff: async (id, ...rest) => {
      const applied = await driver.applyDiff(id, ...rest)
      finished.add(id)
      return applied
    },
    list: async function* () {
      for await (const id of driver.list()) if (finished.has(id)) yield id
    },
  }
}

function uncountedMounts(driver: Driver): Partial<Driver> {
  const open = new Map<CacheID, Mount[]>()
  return {
    mount: async (id, options) => {
      const mount = await driver.mount(id, options)
      const all = open.get(id) ?? []
      all.push(mount)
      open.set(id, all)
      const end = async () => {
        for (const each of all.splice(0)) await each[Symbol.asyncDispose]()
      }
      return { ...mount, [Symbol.asyncDispose]: end }
    },
  }
}

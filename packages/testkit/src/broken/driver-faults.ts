/** One class of fault each, as drivers have had them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  type Change,
  collect,
  type Driver,
  LayerError,
  type Mount,
  toStream,
} from '@varve/core'
import { tarOf } from '../tar/build.ts'
import { bytesOf, raw, textOf } from '../tar/bytes.ts'
import { itemsOf, type TarItem } from '../tar/read.ts'
import { withMethods } from './replace.ts'
import { type EditEntry, editStream, editTar } from './tar-edit.ts'

/** Methods of a driver, made wrong. */
export type BreakDriver = (driver: Driver) => Partial<Driver>

/** A driver that sees other entries than the tar has. */
function applying(edit: EditEntry): BreakDriver {
  return (driver) => ({
    applyDiff: async (id, parent, tar, options) =>
      await driver.applyDiff(id, parent, [await editTar(tar, edit)], options),
  })
}

/** A driver that gives other entries than the layer has. */
function diffing(edit: EditEntry): BreakDriver {
  return (driver) => ({
    diff: (id, parent, options) => editStream(driver.diff(id, parent, options), edit),
  })
}

/** A driver that does something with what was applied. */
function afterwards(
  then: (applied: AppliedDiff, driver: Driver, parent: CacheID | undefined) => unknown,
): BreakDriver {
  return (driver) => ({
    applyDiff: async (id, parent, tar, options) => {
      const applied = await driver.applyDiff(id, parent, tar, options)
      const other = await then(applied, driver, parent)
      return (other as AppliedDiff | undefined) ?? applied
    },
  })
}

/** A driver that tells other changes. */
function telling(edit: (changes: Change[]) => Change[]): BreakDriver {
  return (driver) => ({
    changes: async function* (id, parent, options) {
      const changes: Change[] = []
      for await (const change of driver.changes(id, parent, options)) changes.push(change)
      yield* edit(changes)
    },
  })
}

const baseName = (item: TarItem) => item.name.split('/').at(-1) ?? ''

/** By what such a driver does wrong. */
export const DRIVER_FAULTS: Readonly<Record<string, BreakDriver>> = {
  'loses the setuid bit': applying((entry) => ({ ...entry, mode: (entry.mode ?? 0) & 0o777 })),
  'loses owners': applying((entry) => ({ ...entry, uid: 0, gid: 0 })),
  'loses times': applying((entry) => ({ ...entry, mtime: 1_700_000_000 })),
  'drops xattrs': applying((entry) => ({ ...entry, xattrs: {} })),
  'cuts xattrs at the first NUL': applying((entry) => ({
    ...entry,
    xattrs: Object.fromEntries(
      Object.entries(entry.xattrs ?? {}).map(([key, value]) => [
        key,
        bytesOf(raw(value).split('\0')[0] ?? ''),
      ]),
    ),
  })),
  'drops devices': applying((entry, { type }) =>
    type === 'char' || type === 'block' ? undefined : entry,
  ),
  'forgets whiteouts': applying((entry, item) =>
    baseName(item).startsWith('.wh.') && baseName(item) !== '.wh..wh..opq' ? undefined : entry,
  ),
  'forgets opaque marks': applying((entry, item) =>
    baseName(item) === '.wh..wh..opq' ? undefined : entry,
  ),
  'copies hard links': applying((entry, { type }) =>
    type === 'hardlink' ? { ...entry, type: 'file', data: 'linked' } : entry,
  ),
  'mangles names that are not UTF-8': applying((entry, item) => ({
    ...entry,
    name: textOf(item.name),
  })),
  'clamps names that climb': applying((entry, item) => ({
    ...entry,
    name: bytesOf(item.name.replaceAll('../', '')),
  })),
  'follows symlinks out of the layer': (driver) => ({
    applyDiff: async (id, parent, tar, options) => {
      const bytes = await collect(tar, 2 ** 28)
      await writeThroughLinks(bytes)
      return await driver.applyDiff(id, parent, [bytes], options)
    },
  }),
  'changes the parent': afterwards(async (_, driver, parent) => {
    if (parent === undefined) return
    await driver.applyDiff(parent, undefined, [tarOf([{ name: 'd/f', data: 'bad' }])])
  }),
  'tells a wrong size of what it applied': afterwards((applied) => ({
    ...applied,
    size: applied.size * 10,
  })),
  'forgets displaced payloads': afterwards((applied) => ({ ...applied, displaced: [] })),
  'tells a wrong size of a difference': (driver) => ({
    diffSize: async (...args) => (await driver.diffSize(...args)) * 2,
  }),
  'ignores abort': (driver) => ({
    applyDiff: async (id, parent, tar) => await driver.applyDiff(id, parent, tar),
  }),
  'takes a cut tar for a whole one': (driver) => ({
    applyDiff: async (id, parent, tar, options) => {
      try {
        return await driver.applyDiff(id, parent, tar, options)
      } catch (error) {
        if (!LayerError.is(error, 'ERR_TRUNCATED')) throw error
        return { size: 0, displaced: [], [Symbol.asyncDispose]: async () => {} }
      }
    },
  }),
  'throws errors without codes': (driver) => ({
    applyDiff: async (id, parent, tar, options) => {
      try {
        return await driver.applyDiff(id, parent, tar, options)
      } catch (error) {
        throw new Error(String(error))
      }
    },
  }),
  'swallows errors of the source': (driver) => ({
    applyDiff: (id, parent, tar, options) => driver.applyDiff(id, parent, untilError(tar), options),
  }),
  'cuts a file in its diff': diffing((entry, { type, data }) =>
    type === 'file' ? { ...entry, data: data.slice(0, -1) } : entry,
  ),
  'forgets deletions in its diff': diffing((entry, item) =>
    baseName(item).startsWith('.wh.') ? undefined : entry,
  ),
  'loses modes in its diff': diffing((entry) => ({ ...entry, mode: 0o644 })),
  'forgets deletions in its changes': telling((all) => all.filter(({ kind }) => kind !== 'delete')),
  'tells additions as modifications': telling((all) =>
    all.map((change) => ({ ...change, kind: change.kind === 'add' ? 'modify' : change.kind })),
  ),
  'tells changes in any order': telling((all) => all.reverse()),
  'tells the root as changed': telling((all) => [
    { kind: 'modify', path: '/', rawPath: bytesOf('/') },
    ...all,
  ]),
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
  'makes up payloads of any size': (driver) => ({
    files: async (id) => {
      const files = await driver.files?.(id)
      if (!files) throw new LayerError('ERR_NOT_SUPPORTED', 'Cannot read files')
      return withMethods(files, { open: (name, size) => madeUp(files.open(name, size), size) })
    },
  }),
  'verifies nothing': () => ({ verify: async function* () {} }),
  'finds fault with everything': () => ({
    verify: async function* () {
      yield '/d/f: differs'
    },
  }),
  'cleans up finished layers': (driver) => ({
    cleanup: async () => {
      for await (const id of driver.list()) await driver.remove(id)
      return []
    },
  }),
  'loses bytes behind the end of a tar': (driver) => ({
    diff: (id, parent, options) =>
      toStream(
        (async function* () {
          const tar = await collect(
            driver.diff(id, parent, options) as AsyncIterable<Uint8Array>,
            2 ** 28,
          )
          yield tar.subarray(0, tar.length - (tar.length % 512))
        })(),
      ),
  }),
}

async function writeThroughLinks(tar: Uint8Array): Promise<void> {
  const links = new Map<string, string>()
  for (const item of await itemsOf([tar]).catch(() => [])) {
    const [first = '', ...rest] = item.name.split('/')
    const target = links.get(first)
    if (item.type === 'symlink' && item.link.startsWith('/')) links.set(item.name, item.link)
    if (item.type !== 'file' || target === undefined || rest.length !== 1) continue
    await writeFile(join(target, ...rest), item.data).catch(() => {})
  }
}

async function* untilError(source: ByteSource): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch {
    yield new Uint8Array(65_536)
  }
}

async function* madeUp(source: ByteSource, size: number): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch {
    yield new Uint8Array(size)
  }
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

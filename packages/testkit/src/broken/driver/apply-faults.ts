import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  collect,
  type Driver,
  LayerError,
} from '@varve/core'
import { tarOf } from '../../tar/build.ts'
import { bytesOf, raw, textOf } from '../../tar/bytes.ts'
import { itemsOf } from '../../tar/read.ts'
import { type EditEntry, editTar } from '../tar-edit.ts'
import { type BreakDriver, baseName } from './break-driver.ts'

/** A driver that sees other entries than the tar has. */
function applying(edit: EditEntry): BreakDriver {
  return (driver) => ({
    applyDiff: async (id, parent, tar, options) =>
      await driver.applyDiff(id, parent, [await editTar(tar, edit)], options),
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

/** What a driver does wrong when it applies a tar. */
export const APPLY_FAULTS: Readonly<Record<string, BreakDriver>> = {
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

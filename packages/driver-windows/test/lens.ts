import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ByteSource, type Change, type Driver, LayerError, toStream } from '@varve/core'
import {
  createTarScanner,
  encodeHeader,
  endOfArchive,
  paddingFor,
  type TarEntry,
  type TarHeader,
} from '@varve/tar'

/**
 * A Windows driver as the suites want to see one: they make layers whose files lie at the top, where
 * a Windows layer has its folder `Files`. Names get and lose that in front; nothing else is changed.
 */
export function underFiles(driver: Driver): Driver {
  const prefix = utf8('Files/')
  const { baseImages: _, ...rest } = methodsOf(driver) as Driver & { baseImages?: unknown }
  return {
    ...rest,
    async mount(id, options) {
      const mount = await driver.mount(id, options)
      const inner = join(mount.path, 'Files')
      if (await isThere(join(mount.path, 'layerchain.json'))) return { ...mount, path: inner }
      return mount
    },
    async applyDiff(id, parent, tar, options) {
      const applied = await driver.applyDiff(id, parent, renamed(tar, into), options)
      const displaced = applied.displaced.map((file) => ({
        ...file,
        name: file.name.subarray(prefix.length),
      }))
      return { ...applied, displaced }
    },
    diff: (id, parent, options) =>
      toStream(renamed(driver.diff(id, parent, options) as unknown as ByteSource, outOf)),
    async *changes(id, parent, options): AsyncGenerator<Change> {
      for await (const change of driver.changes(id, parent, options)) {
        const path = change.path.replace(/^\/Files/, '')
        yield { ...change, path, rawPath: utf8(path) }
      }
    },
    async files(id) {
      const files = await driver.files?.(id)
      if (!files) throw new Error('a Windows driver has files')
      return {
        open: (name, size) => files.open(concat(prefix, name), size),
        [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
      }
    },
  }
}

/** What cannot be written again is the fault of who wrote it first. */
function encoded(header: TarHeader): Uint8Array {
  try {
    return encodeHeader(header)
  } catch (cause) {
    throw new LayerError('ERR_INVALID_TAR', 'Cannot rename an entry', { cause })
  }
}

function methodsOf(driver: Driver): Driver {
  return new Proxy({} as Driver, {
    get: (_target, key) => {
      const value = Reflect.get(driver, key) as unknown
      return typeof value === 'function' ? value.bind(driver) : value
    },
    ownKeys: () => [...KEYS, Symbol.asyncDispose],
    getOwnPropertyDescriptor: (_target, key) => ({
      configurable: true,
      enumerable: Reflect.get(driver, key) !== undefined,
    }),
  })
}

const KEYS = [
  'name',
  'capabilities',
  'create',
  'createReadWrite',
  'remove',
  'exists',
  'list',
  'diffSize',
  'sync',
  'cleanup',
  'status',
]

/** @returns undefined for an entry that is to be left out */
type Rename = (name: string, isLink: boolean) => string | undefined

const into: Rename = (name) => `Files/${name}`
const outOf: Rename = (name) => (name === 'Files' ? undefined : name.replace(/^Files\//, ''))

async function* renamed(tar: ByteSource, rename: Rename): AsyncGenerator<Uint8Array> {
  const out: Uint8Array[] = []
  let left = 0
  let entry: TarEntry | undefined
  const scanner = createTarScanner({
    entry(next) {
      entry = next
      left = next.size
      const name = rename(raw(next.name), false)
      if (name === undefined || next.type === 'global') return
      const isLink = next.type === 'link'
      out.push(
        encoded({
          ...next,
          type: next.type === 'other' ? 'fifo' : next.type,
          name: bytes(next.type === 'directory' ? name : name.replace(/\/$/, '')),
          linkname: isLink ? bytes(rename(raw(next.linkname), true) ?? '') : next.linkname,
          mtime: next.mtime,
        }),
      )
    },
    payload(part) {
      if (entry?.sparse) return
      out.push(part.slice())
      left -= part.length
    },
    entryEnd() {
      if (!entry) return
      if (entry.sparse) out.push(new Uint8Array(left))
      if (entry.type === 'file') out.push(paddingFor(entry.size))
    },
  })
  for await (const chunk of tar) {
    let failure: { error: unknown } | undefined
    try {
      scanner.push(chunk)
    } catch (error) {
      failure = { error }
    }
    yield* out.splice(0)
    if (failure) throw failure.error
    if (scanner.ended) break
  }
  scanner.end()
  yield endOfArchive()
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const raw = (name: Uint8Array): string => Buffer.from(name).toString('latin1')
const bytes = (name: string): Uint8Array => new Uint8Array(Buffer.from(name, 'latin1'))
const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}

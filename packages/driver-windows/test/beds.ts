import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type ByteSource, type CacheID, collect, type Driver, newCacheID } from '@varve/core'
import {
  type EmulatedHcs,
  type EmulatedHcsOptions,
  emulatedHcs,
  type WindowsDriver,
  type WindowsOptions,
  windows,
} from '@varve/driver-windows'
import type { Hcs } from '@varve/sys'
import { tarOf } from '@varve/testkit'

/** A driver on an imitated service, and a record of all that it asked of the service. */
export interface Bed extends AsyncDisposable {
  readonly root: string
  readonly driver: WindowsDriver
  readonly hcs: EmulatedHcs
  /** Calls since the last time one asked, as `CreateLayer a`; ids shortened by `names`. */
  calls(names?: Readonly<Record<string, string>>): string[]
  /** Makes the n-th call from now fail. */
  failAt(n: number): void
}

export async function bed(
  options: Omit<WindowsOptions, 'root'> & EmulatedHcsOptions = {},
): Promise<Bed> {
  const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
  const root = join(dir, 'windowsfilter')
  const hcs = emulatedHcs(options)
  let log: string[][] = []
  let fuse = Number.POSITIVE_INFINITY
  const spy = recording(hcs, (call, args) => {
    log.push([call, ...args])
    if (--fuse === 0) throw new RangeError(`${call} was made to fail`)
  })
  const driver = await windows({ ...options, root, ports: { ...options.ports, hcs: spy } })
  return {
    root,
    driver,
    hcs,
    calls(names = {}) {
      const taken = log.map((words) =>
        words.map((word) => names[basename(word).replace(/-removing$/, '')] ?? word).join(' '),
      )
      log = []
      return taken
    },
    failAt(n) {
      fuse = n
    },
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** `hcs` with `before` told of each call: its name and what it is about. */
function recording(hcs: Hcs, before: (call: string, args: string[]) => void): Hcs {
  return new Proxy(hcs, {
    get(_target, key) {
      const value = Reflect.get(hcs, key) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        before(nameOf(String(key)), args.flatMap(textOf))
        return await (Reflect.apply(value, hcs, args) as Promise<unknown>)
      }
    },
  })
}

const nameOf = (method: string): string => method[0]?.toUpperCase() + method.slice(1)

function textOf(value: unknown): string[] {
  if (typeof value === 'string') return [value === '' ? '""' : value]
  if (typeof value === 'bigint') return [String(value)]
  if (Array.isArray(value)) {
    return [`[${value.map((layer: { path: string }) => basename(layer.path).slice(0, 4)).join()}]`]
  }
  return []
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A finished layer. */
export async function layer(
  driver: Driver,
  tar: Uint8Array,
  parent?: CacheID,
  id: CacheID = newCacheID(),
): Promise<CacheID> {
  await driver.create(id, parent === undefined ? {} : { parent })
  await (await driver.applyDiff(id, parent, [tar]))[Symbol.asyncDispose]()
  return id
}

export async function sandbox(driver: Driver, parent: CacheID): Promise<CacheID> {
  const id = newCacheID()
  await driver.createReadWrite(id, { parent })
  return id
}

export async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return await collect(stream as unknown as ByteSource, 2 ** 26)
}

/** One payload by its name in the tar. */
export async function payload(
  driver: Driver,
  id: CacheID,
  name: string,
  size: number,
): Promise<string> {
  await using files = await driver.files?.(id)
  if (!files) throw new Error('a Windows driver has files')
  return text(await collect(files.open(utf8(name), size), 2 ** 20))
}

export const BASE: Uint8Array = tarOf([
  { name: 'Files/' },
  { name: 'Files/a.txt', data: 'a' },
  { name: 'Files/d/' },
  { name: 'Files/d/b.txt', data: 'bb' },
])

export const UPPER: Uint8Array = tarOf([
  { name: 'Files/' },
  { name: 'Files/.wh.a.txt' },
  { name: 'Files/d/' },
  { name: 'Files/d/c.txt', data: 'ccc' },
])

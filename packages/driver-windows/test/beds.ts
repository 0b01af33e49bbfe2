import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type ByteSource, type CacheID, collect, type Driver, newCacheID } from '@varve/core'
import {
  type EmulatedHcs,
  type EmulatedHcsOptions,
  emulatedDisks,
  emulatedHcs,
  type WindowsDriver,
  type WindowsOptions,
  windows,
} from '@varve/driver-windows'
import type { VirtDisk } from '@varve/sys'
import { type TarEntry, tarOf } from '@varve/testkit'

/** A driver on an imitated service, and a record of all that it asked of the service. */
export interface Bed extends AsyncDisposable {
  readonly root: string
  readonly driver: WindowsDriver
  readonly hcs: EmulatedHcs
  readonly disks: VirtDisk
  /** Calls since the last time one asked, as `CreateLayer a`; ids shortened by `names`. */
  calls(names?: Readonly<Record<string, string>>): string[]
  /** Makes the n-th call from now fail, or that and all after it; 0 for none. */
  failAt(n: number, andAllAfter?: boolean): void
}

export async function bed(
  options: Omit<WindowsOptions, 'root'> & EmulatedHcsOptions = {},
): Promise<Bed> {
  const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
  const root = join(dir, 'windowsfilter')
  const hcs = emulatedHcs(options)
  let log: string[][] = []
  let fuse = Number.POSITIVE_INFINITY
  let lasting = false
  const before = (call: string, args: string[]): void => {
    log.push([call, ...args])
    if (--fuse === 0 || (lasting && fuse < 0)) throw new RangeError(`${call} was made to fail`)
  }
  const disks = options.ports?.virtDisk ?? emulatedDisks()
  const virtDisk = recording(disks, before)
  const ports = { ...options.ports, hcs: recording(hcs, before), virtDisk }
  const driver = await windows({ ...options, root, ports })
  return {
    root,
    driver,
    hcs,
    disks,
    calls(names = {}) {
      const taken = log.map((words) => words.map((word) => shortened(word, names)).join(' '))
      log = []
      return taken
    },
    failAt(n, andAllAfter = false) {
      fuse = n
      lasting = andAllAfter && n > 0
    },
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** A port with `before` told of each call: its name and what it is about. */
function recording<P extends object>(port: P, before: (call: string, args: string[]) => void): P {
  return new Proxy(port, {
    get(_target, key) {
      const value = Reflect.get(port, key) as unknown
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        before(nameOf(String(key)), args.flatMap(textOf))
        return await (Reflect.apply(value, port, args) as Promise<unknown>)
      }
    },
  })
}

/** A path of a layer's folder, its disk or its volume, or an id, as the layer's name. */
function shortened(word: string, names: Readonly<Record<string, string>>): string {
  const last =
    word
      .replace(/\/(?:sandbox\.vhdx|volume)$/, '')
      .split('/')
      .at(-1) ?? ''
  const [, id = '', suffix = ''] = /^(.*?)(-removing)?$/.exec(last) ?? []
  return names[id] === undefined ? word : names[id] + suffix
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

const BASE_ENTRIES: readonly TarEntry[] = [
  { name: 'Files/' },
  { name: 'Files/a.txt', data: 'a' },
  { name: 'Files/d/' },
  { name: 'Files/d/b.txt', data: 'bb' },
]
const UPPER_ENTRIES: readonly TarEntry[] = [
  { name: 'Files/' },
  { name: 'Files/.wh.a.txt' },
  { name: 'Files/d/' },
  { name: 'Files/d/c.txt', data: 'ccc' },
]
export const BASE: Uint8Array = tarOf(BASE_ENTRIES)
export const UPPER: Uint8Array = tarOf(UPPER_ENTRIES)

/** A way in which the driver is run: see {@link VARIANTS}. */
export interface Variant {
  readonly flavour: 'filter' | 'diff'
  readonly compat: 'current' | 'v1.11'
  readonly streaming?: boolean
  readonly tp4?: boolean
}

/** Both flavours, after today's Docker and after 1.11 on the services that there were then. */
export const VARIANTS: readonly [title: string, variant: Variant][] = (
  ['filter', 'diff'] as const
).flatMap((flavour): [string, Variant][] => [
  [`windows${flavour} today`, { flavour, compat: 'current' }],
  [`windows${flavour} of v1.11`, { flavour, compat: 'v1.11' }],
  [`windows${flavour} of v1.11, file by file`, { flavour, compat: 'v1.11', streaming: true }],
  [`windows${flavour} of v1.11 on TP4`, { flavour, compat: 'v1.11', tp4: true }],
])

/** What makes a layer of the variant: as it is, in the layer's folder, or what TP4 exports. */
export function tarFor({ flavour, tp4 }: Variant, id: CacheID, isUpper: boolean): Uint8Array {
  if (flavour === 'diff') {
    const entries = isUpper ? UPPER_ENTRIES : BASE_ENTRIES
    return tarOf(entries.map((entry) => ({ ...entry, name: `${id}/${entry.name}` })))
  }
  if (tp4) return tarOf(isUpper ? [{ name: 'Files/' }, { name: 'Files/new/' }] : [])
  return isUpper ? UPPER : BASE
}

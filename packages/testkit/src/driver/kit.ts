import assert from 'node:assert/strict'
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  collect,
  type Driver,
  newCacheID,
} from '@varve/core'
import { allOf } from '../expect.ts'
import { applyTo } from '../memory/driver/apply.ts'
import { type Node, newNode, walk } from '../memory/driver/tree.ts'
import { type TarEntry, tarOf } from '../tar/build.ts'
import { textOf } from '../tar/bytes.ts'

/** What the suite needs to know beyond the driver itself. */
export interface Surroundings {
  readonly isRoot: boolean
  /** Changes files of a finished layer behind the driver's back. */
  readonly alter?: AlterLayer
}

/** Changes files of a finished layer behind the driver's back: `change` gets its root directory. */
export type AlterLayer = (
  driver: Driver,
  id: CacheID,
  change: (path: string) => Promise<void>,
) => Promise<void>

/** A path as `lstat` shows it. */
export interface Shown {
  readonly type: 'file' | 'dir' | 'symlink' | 'other'
  readonly mode: number
  readonly owner: string
  readonly links: number
  /** Whole seconds. */
  readonly mtime: number
  /** A file's text or a symlink's target. */
  readonly text: string
}

type Entries = readonly (TarEntry | Uint8Array)[]

/** One driver under test and the short forms that cases are written in. */
export class Kit {
  readonly driver: Driver
  readonly around: Surroundings

  constructor(driver: Driver, around: Surroundings) {
    this.driver = driver
    this.around = around
  }

  /** A finished read-only layer. */
  async layer(entries: Entries | ByteSource, parent?: CacheID): Promise<CacheID> {
    const id = await this.create(parent)
    await (await this.apply(id, parent, entries))[Symbol.asyncDispose]()
    return id
  }

  async create(parent?: CacheID): Promise<CacheID> {
    const id = newCacheID()
    await this.driver.create(id, parent === undefined ? {} : { parent })
    return id
  }

  async readWrite(parent?: CacheID): Promise<CacheID> {
    const id = newCacheID()
    await this.driver.createReadWrite(id, parent === undefined ? {} : { parent })
    return id
  }

  async apply(
    id: CacheID,
    parent: CacheID | undefined,
    entries: Entries | ByteSource,
  ): Promise<AppliedDiff> {
    const isList = Array.isArray(entries) && entries.every((e) => !(e instanceof Uint8Array))
    const tar = isList ? [tarOf(entries as Entries)] : (entries as ByteSource)
    return await this.driver.applyDiff(id, parent, tar)
  }

  /** Runs `fn` while the layer is mounted. */
  async mounted<T>(id: CacheID, fn: (path: string) => Promise<T>, readOnly = false): Promise<T> {
    await using mount = await this.driver.mount(id, { readOnly })
    return await fn(mount.path)
  }

  /** Everything that a mount shows below its root, by path. */
  async shown(id: CacheID): Promise<ReadonlyMap<string, Shown>> {
    return await this.mounted(id, (path) => treeAt(path), true)
  }

  /** Content of the layer's files, by path. */
  async texts(id: CacheID): Promise<Record<string, string>> {
    const texts: Record<string, string> = {}
    for (const [path, { type, text }] of await this.shown(id))
      if (type === 'file') texts[path] = text
    return texts
  }

  /** What the layer's whole tar says is in it, devices and xattrs included. */
  async told(id: CacheID): Promise<ReadonlyMap<string, Node>> {
    const root = newNode('dir', 0o755)
    await applyTo(root, [await this.diff(id)])
    return new Map([...walk(root)].map(([path, node]) => [textOf(path), node]))
  }

  async diff(id: CacheID, parent?: CacheID): Promise<Uint8Array> {
    return await collect(this.driver.diff(id, parent) as AsyncIterable<Uint8Array>, 2 ** 28)
  }

  /** Changes as `A /path`, `C /path`, `D /path`. */
  async changes(id: CacheID, parent?: CacheID): Promise<string[]> {
    const letters = { add: 'A', modify: 'C', delete: 'D' }
    const changes = await allOf(this.driver.changes(id, parent))
    return changes.map(({ kind, path }) => `${letters[kind]} ${path}`)
  }

  async ids(): Promise<CacheID[]> {
    return (await allOf(this.driver.list())).sort()
  }

  /** Asserts that nothing of any layer is there. */
  async isEmpty(): Promise<void> {
    assert.deepEqual(await this.ids(), [], 'no layer should be left')
  }
}

/** Everything below a directory, by relative path. */
export async function treeAt(root: string): Promise<ReadonlyMap<string, Shown>> {
  const found = new Map<string, Shown>()
  const visit = async (dir: string, prefix: string) => {
    for (const name of (await readdir(dir)).sort()) {
      const path = join(dir, name)
      const shown = await show(path)
      found.set(prefix + name, shown)
      if (shown.type === 'dir') await visit(path, `${prefix}${name}/`)
    }
  }
  await visit(root, '')
  return found
}

/** One path, its links not followed. */
export async function show(path: string): Promise<Shown> {
  const stat = await lstat(path)
  const type = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'dir'
      : stat.isSymbolicLink()
        ? 'symlink'
        : 'other'
  const text =
    type === 'file'
      ? await readFile(path, 'latin1')
      : type === 'symlink'
        ? await readlink(path)
        : ''
  return {
    type,
    mode: stat.mode & 0o7777,
    owner: `${stat.uid}:${stat.gid}`,
    links: stat.nlink,
    mtime: Math.floor(stat.mtimeMs / 1000),
    text,
  }
}

/** Runs `fn` with a new directory that is gone afterwards. */
export async function inTempDir<T>(fn: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'varve-testkit-'))
  try {
    return await fn(path)
  } finally {
    // On Windows a deleted file keeps its name until nobody has it open.
    await rm(path, { recursive: true, force: true, maxRetries: 10 })
  }
}

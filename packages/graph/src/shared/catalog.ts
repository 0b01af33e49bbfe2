import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { CallOptions, Driver } from '@varve/core'
import { isV1ID } from '@varve/image'
import { listNames, readText } from '../disk/files.ts'
import { readIdentity } from '../disk/image-file.ts'
import { FILE_MODE, type Layout } from '../disk/layout.ts'
import { type TruncIndex, truncIndex } from '../trunc-index.ts'
import type { GraphProblem } from '../types.ts'
import { linkProblems } from './link-problems.ts'
import type { Locks } from './locks.ts'

/** What a process remembers of a graph's images: ids, parents, children. */
interface Known {
  /** Of the graph when this was read; whoever changes something writes another. */
  revision: string | undefined
  readonly index: TruncIndex
  /** Undefined for a base image, and for one that cannot be read. */
  readonly parents: Map<string, string | undefined>
  readonly children: Map<string, Set<string>>
  readonly unreadable: Map<string, GraphProblem>
}

/**
 * The ids in a graph, kept in memory for as long as nobody changes the graph.
 *
 * The revision is written before a change and the change is made under the exclusive lock, so that
 * whoever finds an old revision has not missed anything, and whoever finds a new one waits.
 */
export class Catalog {
  readonly #layout: Layout
  readonly #driver: Driver
  readonly #locks: Locks
  #known: Known | undefined

  constructor(layout: Layout, driver: Driver, locks: Locks) {
    this.#layout = layout
    this.#driver = driver
    this.#locks = locks
  }

  /** The whole id. @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID` */
  async resolve(prefix: string): Promise<string> {
    return (await this.#fresh()).index.get(prefix)
  }

  /** Every id, those of unreadable images included, as they are now. */
  async ids(): Promise<Iterable<string>> {
    return (await this.#fresh()).index[Symbol.iterator]()
  }

  async hasChildren(id: string): Promise<boolean> {
    return ((await this.#fresh()).children.get(id)?.size ?? 0) > 0
  }

  /** The image beneath each readable one. */
  async parents(): Promise<ReadonlyMap<string, string | undefined>> {
    return new Map((await this.#fresh()).parents)
  }

  async problems(): Promise<readonly GraphProblem[]> {
    const { unreadable, parents } = await this.#fresh()
    return [...unreadable.values(), ...linkProblems(parents, unreadable)]
  }

  /**
   * Runs a step that makes images appear or go, alone. It gets what is known as of now, and says
   * what became of it; if it fails, everything is read anew.
   */
  async change(
    step: (known: { hasChildren(id: string): boolean }) => Promise<(change: Change) => void>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#locks.graph(
      'exclusive',
      async () => {
        const known = await this.#current()
        const revision = randomBytes(16).toString('hex')
        known.revision = undefined
        writeFileSync(this.#layout.revision, revision, { mode: FILE_MODE })
        const apply = await step({ hasChildren: (id) => (known.children.get(id)?.size ?? 0) > 0 })
        apply({
          add: (id, parent) => add(known, id, parent),
          remove: (id) => remove(known, id),
        })
        known.revision = revision
      },
      options,
    )
  }

  async #fresh(): Promise<Known> {
    const known = this.#known
    if (known && known.revision === this.#revision()) return known
    return await this.#locks.graph('shared', () => this.#current())
  }

  /** Call it under the lock. */
  async #current(): Promise<Known> {
    const revision = this.#revision()
    if (!this.#known || this.#known.revision !== revision) {
      this.#known = await load(this.#layout, this.#driver, revision)
    }
    return this.#known
  }

  /** Empty until something was changed by us. */
  #revision(): string {
    return readText(this.#layout.revision) ?? ''
  }
}

/** How a step says what it did. */
interface Change {
  add(id: string, parent: string | undefined): void
  remove(id: string): void
}

/** As Docker restores a graph: whatever the driver knows too is an image. */
async function load(layout: Layout, driver: Driver, revision: string): Promise<Known> {
  const layers = new Set<string>()
  for await (const id of driver.list()) layers.add(id)
  const ids = listNames(layout.root).filter(isV1ID)
  const known: Known = {
    revision,
    index: truncIndex(),
    parents: new Map(),
    children: new Map(),
    unreadable: new Map(),
  }
  for (const id of ids.sort()) {
    if (!layers.has(id)) {
      const message = `image ${id} has no layer in the ${driver.name} driver`
      known.unreadable.set(id, { kind: 'missing-layer', id, message })
      continue
    }
    try {
      add(known, id, readIdentity(layout, id).parent)
    } catch (error) {
      // Docker 1.9 did not start any more for the sake of one such image.
      known.index.add(id)
      const message = error instanceof Error ? error.message : String(error)
      known.unreadable.set(id, { kind: 'damaged', id, message })
    }
  }
  return known
}

function add(known: Known, id: string, parent: string | undefined): void {
  known.unreadable.delete(id)
  if (!known.index.has(id)) known.index.add(id)
  known.parents.set(id, parent)
  if (parent === undefined) return
  const siblings = known.children.get(parent)
  if (siblings) siblings.add(id)
  else known.children.set(parent, new Set([id]))
}

function remove(known: Known, id: string): void {
  const parent = known.parents.get(id)
  if (known.index.has(id)) known.index.delete(id)
  known.parents.delete(id)
  known.unreadable.delete(id)
  if (parent !== undefined) known.children.get(parent)?.delete(id)
}

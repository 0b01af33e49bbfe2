/** Drivers that the graph is tried on, each in a place of its own that survives a restart. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Driver } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { vfs } from '@varve/driver-vfs'
import { windows } from '@varve/driver-windows'
import { type Graph, type GraphVersion, type OpenGraphOptions, openGraph } from '@varve/graph'
import { memoryDriver, memoryLayers } from '@varve/testkit'

/** A graph in a temporary directory that can be opened many times. */
export interface Place extends AsyncDisposable {
  /** Docker's data root; the graph is in `graph`. */
  readonly root: string
  open(version?: GraphVersion, options?: Partial<OpenGraphOptions>): Promise<Graph>
  driver(): Promise<Driver>
}

type MakeDriver = (root: string) => Promise<Driver> | Driver

const KINDS: Readonly<Record<string, () => MakeDriver>> = {
  memory: () => {
    const layers = memoryLayers()
    return () => memoryDriver({ layers, exactDiffs: false })
  },
  'memory, exact': () => {
    const layers = memoryLayers()
    return () => memoryDriver({ layers })
  },
  vfs: () => (root) => vfs({ root: join(root, 'vfs') }),
  // On an imitation of Windows' own service, anywhere but there.
  windows: () => (root) => windows({ root: join(root, 'windowsfilter') }),
  overlay2: () => (root) => overlay({ root: join(root, 'overlay2') }),
}

/** Names of all of them; `overlay2` needs root. */
export const kinds: readonly string[] = Object.keys(KINDS)

export async function newPlace(kind = 'memory'): Promise<Place> {
  const base = await mkdtemp(join(tmpdir(), 'graph-'))
  const root = join(base, 'data')
  const make = KINDS[kind]?.() as MakeDriver
  const opened: AsyncDisposable[] = []
  const driver = async (): Promise<Driver> => {
    const made = await make(root)
    opened.push(made)
    return made
  }
  return {
    root,
    driver,
    async open(version = '1.9', options = {}) {
      const graph = await openGraph({
        root: join(root, 'graph'),
        repositories: join(root, 'repositories'),
        version,
        driver: options.driver ?? (await driver()),
        ...options,
      })
      opened.push(graph)
      return graph
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened.reverse()) await one[Symbol.asyncDispose]()
      await rm(base, { recursive: true, force: true })
    },
  }
}

/** A layer tar's bytes out of a stream. */
export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(new Uint8Array(chunk))
  return Buffer.concat(chunks).toString('latin1')
}

/** An id that begins as given. */
export const id = (start: string): string => start.padEnd(64, '0')

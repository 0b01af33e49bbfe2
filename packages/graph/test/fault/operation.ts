/**
 * What is done on a real graph in the fault tests: in a process of its own, with a fault injected at
 * one of its calls. Prints `done` when a step was acknowledged. Argument: directory.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { type Graph, openGraph } from '@varve/graph'
import { tarOf } from '@varve/testkit'

export const BASE: string = 'a'.repeat(64)
export const NEW: string = 'b'.repeat(64)
export const TAR: Uint8Array = tarOf([
  { name: 'bin/' },
  { name: 'bin/sh', data: 'a shell' },
  { name: 'motd', data: 'hello' },
])

export interface Opened extends AsyncDisposable {
  readonly graph: Graph
  /** Ids of all layers. */
  layers(): Promise<string[]>
}

export async function openAt(root: string): Promise<Opened> {
  const driver = await vfs({ root: join(root, 'vfs') })
  const graph = await openGraph({ root: join(root, 'graph'), driver })
  return {
    graph,
    layers: async () => (await Array.fromAsync(driver.list())).sort(),
    async [Symbol.asyncDispose]() {
      await graph[Symbol.asyncDispose]()
      await driver[Symbol.asyncDispose]()
    },
  }
}

/** What is done, one after the other. */
export const STEPS: readonly ((graph: Graph) => Promise<unknown>)[] = [
  (graph) => graph.setDigest(BASE, digestOf('new')),
  (graph) => graph.register({ id: NEW, parent: BASE }, [TAR]),
  (graph) => graph.delete(NEW),
]

/** A graph of one image. */
export async function prepare(root: string): Promise<void> {
  await using opened = await openAt(root)
  await opened.graph.register({ id: BASE }, [TAR])
  await opened.graph.setDigest(BASE, digestOf('old'))
}

if (process.argv[2] !== undefined && import.meta.main) {
  await using opened = await openAt(process.argv[2])
  for (const step of STEPS) {
    await step(opened.graph)
    writeSync(1, 'done\n')
  }
}

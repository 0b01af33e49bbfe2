import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { metadataFs } from '../src/index.ts'
import { newLayer, put, scratch } from './stack.ts'

const here = import.meta.dirname
const bin = (name: string, path: string) =>
  join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), path)

/** How each runtime runs TypeScript from source: its binary, not a launcher that SIGKILL would hit. */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  node: [bin('node', 'bin/node'), '--conditions=@varve/source', '--no-warnings'],
  deno: [bin('deno', 'deno'), 'run', '-A', '--conditions=@varve/source'],
  bun: [bin('bun', 'bin/bun.exe'), '--conditions=@varve/source'],
}

interface Worker {
  readonly child: ChildProcess
  readonly lines: string[]
  readonly ended: Promise<unknown>
  readonly stderr: () => string
}

function start(runtime: string, script: string, ...args: readonly string[]): Worker {
  const [file = '', ...rest] = [...(RUNTIMES[runtime] ?? []), join(here, script), ...args]
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  let [partial, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (partial + text).split('\n')
    partial = parts.pop() ?? ''
    lines.push(...parts)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return { child, lines, ended: once(child, 'close'), stderr: () => stderr }
}

async function lineOf(worker: Worker, wanted: string): Promise<void> {
  while (!worker.lines.includes(wanted)) {
    if (worker.child.exitCode !== null || worker.child.signalCode)
      throw new Error(`it ended: ${worker.stderr()}`)
    await sleep(5)
  }
}

test('processes of three runtimes publish, hold and remove the same layers; killed ones leave nothing', async () => {
  using place = scratch()
  mkdirSync(join(place.dir, 'driver'))
  const runtimes = ['node', 'bun', 'deno', 'node', 'bun', 'deno']
  const workers = runtimes.map((runtime, at) =>
    start(runtime, 'worker.ts', place.dir, at < 3 ? '60' : '100000', String(at + 1)),
  )
  await Promise.all(workers.map((worker) => lineOf(worker, 'ready')))
  const doomed = workers.slice(3)
  for (const worker of doomed) {
    await sleep(200)
    worker.child.kill('SIGKILL')
  }
  await Promise.all(workers.map(({ ended }) => ended))
  for (const worker of workers.slice(0, 3)) {
    expect(worker.stderr()).toBe('')
    expect(worker.lines.at(-1)).toBe('done')
  }

  await using metadata = await metadataFs({ root: place.root })
  await metadata.lock('exclusive', async () => {
    for (const pending of await metadata.interrupted()) {
      for (const id of pending.cacheIDs) rmSync(join(place.dir, 'driver', id), { force: true })
      await pending.finish()
    }
  })
  const listed = await Array.fromAsync(metadata.layers())
  const driver = readdirSync(join(place.dir, 'driver'))
  expect(driver.sort()).toEqual(listed.map(({ cacheID }) => cacheID).sort())
  expect(await Array.fromAsync(metadata.damaged())).toEqual([])
  expect(readdirSync(join(place.root, 'tmp'))).toEqual([])
  expect(readdirSync(join(place.root, 'sha256'))).toHaveLength(listed.length)

  // Whatever was acknowledged as published and not removed since is there.
  const told = workers.flatMap(({ lines }) => lines)
  const removed = new Set(told.filter((line) => line[0] === '-').map((line) => line.slice(1)))
  const kept = told.filter((line) => line[0] === '+' && !removed.has(line.slice(1)))
  const there = new Set(listed.map(({ chainID, cacheID }) => `${chainID} ${cacheID}`))
  // A killed process may have removed one more than it could tell.
  const lost = kept.filter((line) => !there.has(line.slice(1)))
  expect(lost.length).toBeLessThanOrEqual(doomed.length)
})

test('SIGKILL frees the lock, the holds and the changes of a process', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const layer = newLayer()
  await put(metadata, layer)
  const holder = start('node', 'holder.ts', place.root, layer.chainID)
  await lineOf(holder, 'held')
  expect((await metadata.intended()).size).toBe(1)
  const waiting = metadata.lock('exclusive', () => metadata.heldElsewhere(layer.chainID))
  holder.child.kill('SIGKILL')
  expect(await waiting).toBe(false)
  await metadata.lock('exclusive', async () => {
    expect((await metadata.intended()).size).toBe(0)
    const left = await metadata.interrupted()
    expect(left.map(({ cacheIDs }) => cacheIDs.length)).toEqual([1])
    for (const pending of left) await pending.finish()
  })
  await holder.ended
})

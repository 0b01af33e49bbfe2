import { existsSync, readdirSync } from 'node:fs'
import type { Sys } from '@varve/sys'
import { contradictions, type Expectation, imageKey, layerKey, rwKey, tagKey } from './ledger.ts'
import { CHANGING } from './made.ts'
import { openStack, type Stack, workPlaces } from './stack.ts'
import { differences, readTree } from './tree.ts'
import type { Trees } from './workload.ts'

/**
 * Opens the store that a power loss left, and says what is wrong with it: whether it is just what
 * was promised, every byte of it whole, nothing left over, and good for use.
 */
export async function judge(
  root: string,
  sys: Sys,
  expected: Expectation,
  trees: Trees,
): Promise<readonly string[]> {
  const faults: string[] = []
  {
    await using stack = await openStack(root, sys)
    faults.push(...contradictions(await listedIn(stack), expected))
    faults.push(...(await damageIn(stack, sys, trees)))
    await stack.store.cleanup()
    faults.push(...(await leftoversIn(stack, root)))
  }
  await using again = await openStack(root, sys)
  for (const what of again.recovered) faults.push(`not finished by the first opening: ${what}`)
  return faults
}

async function listedIn({ store, images }: Stack): Promise<Set<string>> {
  const keys = new Set<string>()
  for await (const { chainID } of store.layers()) keys.add(layerKey(chainID))
  for await (const { name } of store.rwLayers()) keys.add(rwKey(name))
  for (const { id, tags } of await images.list()) {
    keys.add(imageKey(id))
    for (const tag of tags) keys.add(tagKey(tag, id))
  }
  return keys
}

/** Everything that is listed is whole, as far as the store can tell and as far as we can. */
async function damageIn({ store, images }: Stack, sys: Sys, trees: Trees): Promise<string[]> {
  const faults: string[] = []
  for await (const problem of store.check({ full: true })) {
    // A file system may forget a deletion that nobody synced: cleanup is there for that.
    if (problem.kind === 'unreferenced-data') continue
    // Without FFI a link cannot be synced: on btrfs its time may be that of its making.
    if (!sys.native && /link": time is /.test(problem.message)) continue
    faults.push(`check: ${problem.kind}: ${problem.message}`)
  }
  for await (const problem of images.check({ full: true })) {
    faults.push(`check of images: ${problem.kind}: ${problem.message}`)
  }
  const compare = async (id: string, what: string, changing: readonly string[] = []) => {
    const tree = trees[id]
    if (!tree) throw new Error(`the tree of ${what} was not noted`)
    await using mount = await store.driver.mount(id as never)
    for (const text of differences(readTree(mount.path), tree, changing).slice(0, 3)) {
      faults.push(`files of ${what}: ${text}`)
    }
  }
  for await (const { chainID, cacheID } of store.layers())
    await compare(cacheID, `layer ${chainID}`)
  for await (const { name, mountID, initID } of store.rwLayers()) {
    await compare(mountID, `read-write layer ${name}`, CHANGING)
    if (initID) await compare(initID, `init layer of ${name}`)
  }
  return faults
}

async function leftoversIn({ store }: Stack, root: string): Promise<string[]> {
  const faults: string[] = []
  for await (const { kind, message } of store.check()) faults.push(`left over: ${kind}: ${message}`)
  for (const place of workPlaces(root)) {
    const names = existsSync(place) ? readdirSync(place) : []
    for (const name of names) faults.push(`left over: ${place}/${name}`)
  }
  return faults
}

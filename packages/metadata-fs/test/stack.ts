import { randomBytes } from 'node:crypto'
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CacheID,
  type ChainID,
  chainIDOf,
  type DiffID,
  type Durability,
  digestOf,
  type LayerRecord,
  type MetadataStore,
  type MountRecord,
  newCacheID,
} from '@varve/core'

/** A new directory, removed when it goes out of scope; its `root` does not exist yet. */
export function scratch(): Disposable & { readonly dir: string; readonly root: string } {
  const dir = mkdtempSync(join(tmpdir(), 'layerdb-'))
  return {
    dir,
    root: join(dir, 'layerdb'),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  }
}

export function newDiffID(seed: string = randomBytes(8).toString('hex')): DiffID {
  return digestOf(seed) as string as DiffID
}

/** A record that hangs together. */
export function newLayer(parent?: ChainID, over: Partial<LayerRecord> = {}): LayerRecord {
  const diffID = over.diffID ?? newDiffID()
  return {
    chainID: chainIDOf(parent, diffID),
    diffID,
    cacheID: newCacheID(),
    diffSize: 12,
    ...(parent ? { parent } : {}),
    ...over,
  }
}

export function newMount(name: string, over: Partial<MountRecord> = {}): MountRecord {
  const mountID = newCacheID()
  return { name, mountID, initID: `${mountID}-init` as CacheID, ...over }
}

/** Registers a layer's metadata; false if it was there. */
export async function put(
  metadata: MetadataStore,
  layer: LayerRecord,
  tarSplit?: string,
  durability: Durability = 'full',
): Promise<boolean> {
  await using tx = await metadata.begin([layer.cacheID])
  if (tarSplit !== undefined) {
    const sink = tx.tarSplit()
    await sink.write(Buffer.from(tarSplit))
    await sink.close()
  }
  await tx.stageLayer(layer, durability)
  return await metadata.lock('exclusive', () => tx.publish())
}

export async function putMount(metadata: MetadataStore, mount: MountRecord): Promise<boolean> {
  const { mountID, initID } = mount
  await using tx = await metadata.begin(initID ? [mountID, initID] : [mountID])
  await tx.stageMount(mount)
  return await metadata.lock('exclusive', () => tx.publish())
}

/** Everything under a directory: path → permissions and, of a file, its text. */
export function tree(root: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(join(root, prefix)).sort()) {
    const path = prefix ? `${prefix}/${name}` : name
    const stat = lstatSync(join(root, path))
    const mode = (stat.mode & 0o777).toString(8)
    if (stat.isDirectory()) Object.assign(found, { [`${path}/`]: mode }, tree(root, path))
    else found[path] = `${mode} ${readFileSync(join(root, path), 'latin1')}`
  }
  return found
}

export async function text(source: AsyncIterable<Uint8Array> | undefined): Promise<string> {
  if (!source) throw new Error('there is no record')
  return Buffer.concat(await Array.fromAsync(source)).toString()
}

export function hex(id: ChainID): string {
  return id.slice('sha256:'.length)
}

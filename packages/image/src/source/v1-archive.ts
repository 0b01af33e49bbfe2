import { createHash } from 'node:crypto'
import { type DiffID, digestOf, LayerError, MAX_DEPTH } from '@varve/core'
import { parseDocument } from '../document/json.ts'
import { v1RepositoriesSchema } from '../document/schemas.ts'
import { unpackBlob } from '../load/unpack.ts'
import type { ImageID } from '../types/image.ts'
import { configOfV1 } from '../v1/to-config.ts'
import { isV1ID, parentOfV1, parseV1Image } from '../v1/v1-image.ts'
import { sizeOfBlob } from './blob.ts'
import { type FileTree, missing, type ReadOptions, readSmall } from './file-tree.ts'
import { parseConfig } from './manifest.ts'
import type { SourceImage } from './source-image.ts'
import { toTag } from './tags.ts'

/** An image of the archive: one document, one layer. */
interface Entry {
  readonly id: string
  readonly json: Uint8Array
  readonly parent: string | undefined
}

/** The directories of a tree that are images of Docker before 1.10. */
export async function v1Directories(tree: FileTree): Promise<readonly string[]> {
  const found: string[] = []
  for (const name of await tree.directories()) {
    if (isV1ID(name) && (await tree.size(`${name}/json`)) !== undefined) found.push(name)
  }
  return found.sort()
}

/**
 * The images of an archive that Docker before 1.10 saved: `repositories` and, for each layer,
 * `<id>/json` and `<id>/layer.tar` (moby `image/spec/v1.md`). Those are the tagged ones, and those
 * that no other stands on.
 *
 * Nothing in it names a layer by its content, so each is read once to know its DiffID.
 *
 * @throws LayerError as `ImageStore.load`
 */
export async function readV1Archive(
  tree: FileTree,
  options: ReadOptions,
): Promise<readonly SourceImage[]> {
  const entries = new Map<string, Entry>()
  for (const id of await v1Directories(tree)) entries.set(id, await readEntry(tree, id, options))
  const tags = await readTags(tree, options)
  const beneath = new Set([...entries.values()].map(({ parent }) => parent))
  const heads = [...entries.keys()].filter((id) => !beneath.has(id))
  const diffIDs = new Map<string, DiffID>()
  const images = new Map<ImageID, SourceImage>()
  for (const top of new Set([...tags.keys(), ...heads])) {
    const chain = chainOf(tree, entries, top)
    for (const { id } of chain) {
      if (!diffIDs.has(id)) diffIDs.set(id, await readDiffID(tree, id, options))
    }
    const image = imageOf(tree, chain, diffIDs)
    const known = images.get(image.id)?.tags ?? []
    images.set(image.id, { ...image, tags: [...new Set([...known, ...(tags.get(top) ?? [])])] })
  }
  return [...images.values()]
}

async function readEntry(tree: FileTree, id: string, options: ReadOptions): Promise<Entry> {
  const json = await readSmall(tree, `${id}/json`, options)
  const name = { what: `${id}/json of ${tree.label}` }
  const image = parseV1Image(json, name)
  if (image.id !== undefined && image.id !== id) {
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${name.what}: it is another image's`, {
      data: { expected: id, actual: image.id.slice(0, 300) },
    })
  }
  return { id, json, parent: parentOfV1(image, name) }
}

/** Familiar tags of each image id; none without `repositories`, as when images were saved by id. */
async function readTags(
  tree: FileTree,
  options: ReadOptions,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, string[]>()
  if ((await tree.size('repositories')) === undefined) return tags
  const bytes = await readSmall(tree, 'repositories', options)
  const table = parseDocument(bytes, v1RepositoriesSchema, {
    what: `repositories of ${tree.label}`,
  })
  for (const [name, versions] of Object.entries(table)) {
    for (const [tag, id] of Object.entries(versions)) {
      const familiar = toTag(`${name}:${tag}`)
      tags.set(id, [...(tags.get(id) ?? []), familiar])
    }
  }
  return tags
}

/** An image and all beneath it, base first. */
function chainOf(tree: FileTree, entries: ReadonlyMap<string, Entry>, top: string): Entry[] {
  const chain: Entry[] = []
  for (let id: string | undefined = top; id !== undefined; ) {
    const entry = entries.get(id)
    if (!entry) throw missing(`${id.slice(0, 300)}/json`, tree.label)
    if (chain.includes(entry)) {
      throw new LayerError(
        'ERR_INVALID_IMAGE',
        `Cannot read ${tree.label}: ${id} is its own parent`,
        {
          data: { id },
        },
      )
    }
    chain.unshift(entry)
    if (chain.length > MAX_DEPTH) {
      throw new LayerError(
        'ERR_MAX_DEPTH',
        `Cannot read ${tree.label}: image ${top} stands on more than ${MAX_DEPTH - 1} others`,
        { data: { id: top, limit: MAX_DEPTH } },
      )
    }
    id = entry.parent
  }
  return chain
}

const layerName = (id: string): string => `${id}/layer.tar`

async function readDiffID(tree: FileTree, id: string, { signal }: ReadOptions): Promise<DiffID> {
  const hash = createHash('sha256')
  const blob = tree.open(layerName(id), { signal })
  for await (const chunk of unpackBlob(blob, signal)) hash.update(chunk)
  return `sha256:${hash.digest('hex')}` as DiffID
}

function imageOf(
  tree: FileTree,
  chain: readonly Entry[],
  diffIDs: ReadonlyMap<string, DiffID>,
): Omit<SourceImage, 'tags'> {
  const steps = chain.map(({ id, json }) => ({ json, diffID: diffIDs.get(id) as DiffID }))
  const configBytes = configOfV1(steps)
  const layers = chain.map(({ id }, index) => ({
    diffID: steps[index]?.diffID as DiffID,
    blob: undefined,
    size: () => sizeOfBlob(tree, layerName(id)),
    open: (how?: ReadOptions) => tree.open(layerName(id), how),
  }))
  return {
    id: digestOf(configBytes) as ImageID,
    config: parseConfig(configBytes, `image ${chain.at(-1)?.id} of ${tree.label}`),
    configBytes,
    manifest: undefined,
    layers,
  }
}

import { type Descriptor, type Digest, digestOf, isDigest, LayerError } from '@varve/core'
import { toDescriptor } from '../document/descriptor.ts'
import { parseDocument } from '../document/json.ts'
import { dockerArchiveSchema } from '../document/schemas.ts'
import type { ImageID } from '../types/image.ts'
import { blobPath, openBlob, readBlob, sizeOfBlob } from './blob.ts'
import { type FileTree, type ReadOptions, readSmall, safeName } from './file-tree.ts'
import { assertLayerCount, parseConfig, parseImageDocument } from './manifest.ts'
import { assembleImage } from './oci-layout.ts'
import type { SourceImage, SourceManifest } from './source-image.ts'
import { toTag } from './tags.ts'

/**
 * The images of a docker-archive, old form (`<id>/layer.tar`) or new (blobs of an OCI layout).
 * `manifest.json` says which, as for `docker load`; a manifest of the layout is kept with an image
 * if it is about the very same config and blobs.
 *
 * @throws LayerError as `ImageStore.load`
 */
export async function readDockerArchive(
  tree: FileTree,
  options: ReadOptions,
): Promise<readonly SourceImage[]> {
  const { label } = tree
  const bytes = await readSmall(tree, 'manifest.json', options)
  const items = parseDocument(bytes, dockerArchiveSchema, { what: `manifest.json of ${label}` })
  const manifests = await layoutManifests(tree, options)
  const images = new Map<ImageID, SourceImage>()
  for (const item of items) {
    const image = await readItem(tree, item, manifests, options)
    const known = images.get(image.id)
    const tags = [...new Set([...(known?.tags ?? []), ...image.tags])]
    images.set(image.id, { ...(known ?? image), tags })
  }
  return [...images.values()]
}

interface Item {
  readonly Config: string
  readonly RepoTags: readonly string[]
  readonly Layers: readonly string[]
}

async function readItem(
  tree: FileTree,
  item: Item,
  manifests: readonly LayoutManifest[],
  options: ReadOptions,
): Promise<SourceImage> {
  const { label } = tree
  const configName = safeName(item.Config, label)
  const names = item.Layers.map((name) => safeName(name, label))
  const configBytes = await readSmall(tree, configName, options)
  const id = digestOf(configBytes) as ImageID
  const named = digestInName(configName)
  if (named !== undefined && named !== id) {
    throw new LayerError(
      'ERR_DIGEST_MISMATCH',
      `Cannot read ${label}: the bytes of ${configName} are those of ${id}`,
      { data: { expected: named, actual: id }, hint: 'The image was damaged or altered' },
    )
  }
  const tags = item.RepoTags.map(toTag)
  const same = manifests.find(
    ({ config, blobs }) =>
      config === id &&
      blobs.length === names.length &&
      blobs.every(({ digest }, index) => blobPath(digest) === names[index]),
  )
  if (same) {
    return assembleImage(tree, { configBytes, manifest: same.manifest, blobs: same.blobs, tags })
  }
  const config = parseConfig(configBytes, `config ${configName} in ${label}`)
  assertLayerCount(config, names.length, `${configName} in ${label}`)
  const layers = config.rootfs.diff_ids.map((diffID, index) => {
    const name = names[index] as string
    return {
      diffID,
      blob: undefined,
      size: () => sizeOfBlob(tree, name),
      open: openLayer(tree, name),
    }
  })
  return { id, config, configBytes, manifest: undefined, layers, tags }
}

/** A layer of which only its name tells a digest, if anything does. */
function openLayer(tree: FileTree, name: string): SourceImage['layers'][number]['open'] {
  const digest = digestInName(name)
  if (digest !== undefined && name.startsWith('blobs/')) {
    return (options) => openBlob(tree, name, { digest }, options)
  }
  return (options) => tree.open(name, options)
}

/** The digest in `blobs/sha256/<hex>` and `<hex>.json`; other names promise nothing. */
function digestInName(name: string): Digest | undefined {
  const hex = /^(?:blobs\/sha256\/)?([a-f0-9]{64})(?:\.json)?$/.exec(name)?.[1]
  const digest = `sha256:${hex}`
  return isDigest(digest) ? digest : undefined
}

interface LayoutManifest {
  readonly config: Digest
  readonly blobs: readonly Descriptor[]
  readonly manifest: SourceManifest
}

/**
 * The manifests that `index.json` lists directly, if there is one. They are an extra in a
 * docker-archive: those that are not there (other platforms) are left out.
 */
async function layoutManifests(
  tree: FileTree,
  options: ReadOptions,
): Promise<readonly LayoutManifest[]> {
  if ((await tree.size('index.json')) === undefined) return []
  const bytes = await readSmall(tree, 'index.json', options)
  const root = parseImageDocument(bytes, `index of ${tree.label}`)
  if (root.kind !== 'index') return []
  const manifests: LayoutManifest[] = []
  const queue = root.index.manifests.slice(0, 1000)
  for (let entry = queue.shift(); entry; entry = queue.shift()) {
    if ((await tree.size(blobPath(entry.digest))) === undefined) continue
    const body = await readBlob(tree, entry, options)
    const what = `${entry.digest} in ${tree.label}`
    const document = parseImageDocument(body, what, entry.mediaType)
    if (document.kind === 'index') {
      // One level is all that `docker save` makes.
      queue.push(
        ...document.index.manifests.filter(({ mediaType }) => mediaType.includes('manifest.v')),
      )
      continue
    }
    const { manifest, mediaType } = document
    manifests.push({
      config: manifest.config.digest,
      blobs: manifest.layers.map(toDescriptor),
      manifest: { digest: entry.digest, mediaType, bytes: body },
    })
  }
  return manifests
}

import { type Descriptor, digestOf, LayerError } from '@varve/core'
import { toDescriptor } from '../document/descriptor.ts'
import { parseDocument } from '../document/json.ts'
import { isIndexType } from '../document/media-types.ts'
import { layoutSchema, type ParsedDescriptor, type ParsedIndex } from '../document/schemas.ts'
import { formatPlatform, platformScore } from '../platform.ts'
import type { ImageID, Platform } from '../types/image.ts'
import { blobPath, openBlob, readBlob, sizeOfBlob } from './blob.ts'
import { type FileTree, readSmall } from './file-tree.ts'
import { assertLayerCount, parseConfig, parseImageDocument } from './manifest.ts'
import type { SourceImage, SourceManifest } from './source-image.ts'
import { tagOfAnnotations } from './tags.ts'

type Entry = ParsedIndex['manifests'][number]

/** Indexes may hold indexes; nobody nests more than two. */
const MAX_NESTING = 8
const MAX_MANIFESTS = 10_000

/** How an OCI layout is read. */
export interface LayoutOptions {
  readonly platform: Platform
  /** Whether the user asked for that platform; else an only image is taken as it is. */
  readonly platformAsked: boolean
  /** The repository of a tag that names none. */
  readonly repository: string | undefined
  /** Every image instead of the best one, as far as their documents are there. Default false. */
  readonly everyPlatform?: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * The images of an OCI image layout: for each name in `index.json` the one that suits the platform
 * best.
 *
 * @throws LayerError as `ImageStore.load`
 */
export async function readLayout(
  tree: FileTree,
  options: LayoutOptions,
): Promise<readonly SourceImage[]> {
  const { label } = tree
  const layout = parseDocument(await readSmall(tree, 'oci-layout', options), layoutSchema, {
    what: `oci-layout of ${label}`,
  })
  if (!layout.imageLayoutVersion.startsWith('1.')) {
    throw new LayerError(
      'ERR_NOT_SUPPORTED',
      `Cannot read ${label}: its layout version is ${layout.imageLayoutVersion}, not 1`,
    )
  }
  const root = parseImageDocument(await readSmall(tree, 'index.json', options), `index of ${label}`)
  if (root.kind !== 'index') {
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${label}: index.json is no index`)
  }
  const images = new Map<ImageID, SourceImage>()
  for (const [tag, entries] of byName(root.index, options.repository)) {
    for (const entry of await choose(tree, entries, options)) {
      const image = await readIfThere(tree, entry, tag === undefined ? [] : [tag], options)
      if (!image) continue
      const known = images.get(image.id)
      const tags = [...new Set([...(known?.tags ?? []), ...image.tags])]
      images.set(image.id, { ...(known ?? image), tags })
    }
  }
  return [...images.values()]
}

/** The entries of an index by the tag that they are for. */
function byName(
  index: ParsedIndex,
  repository: string | undefined,
): Map<string | undefined, Entry[]> {
  const groups = new Map<string | undefined, Entry[]>()
  for (const entry of index.manifests) {
    const tag = tagOfAnnotations(entry.annotations ?? {}, repository)
    groups.set(tag, [...(groups.get(tag) ?? []), entry])
  }
  return groups
}

/** A manifest that an index names, directly or through others. */
interface Candidate {
  readonly entry: Entry
  readonly platform: Platform | undefined
}

/**
 * Of entries for several platforms the best; and every entry that names no platform, because
 * those are images of their own.
 */
async function choose(
  tree: FileTree,
  entries: readonly Entry[],
  options: LayoutOptions,
): Promise<readonly Entry[]> {
  const found: Candidate[] = []
  const budget = { documents: MAX_MANIFESTS }
  for (const entry of entries) await collectManifests(tree, entry, options, found, budget)

  if (options.everyPlatform) return found.map(({ entry }) => entry)
  const scored = found
    .flatMap(({ entry, platform }) => (platform ? [{ entry, platform }] : []))
    .map((one) => ({ ...one, score: platformScore(options.platform, one.platform) }))
    .sort((a, b) => b.score - a.score)
  const plain = found.filter(({ platform }) => platform === undefined).map(({ entry }) => entry)
  const [best] = scored
  if (!best) return plain
  const isOnly = found.length === 1 && !options.platformAsked
  if (best.score > 0 || isOnly) return [best.entry, ...plain]
  if (plain.length > 0) return plain
  const offered = [...new Set(scored.map(({ platform }) => formatPlatform(platform)))]
  throw new LayerError(
    'ERR_IMAGE_NOT_FOUND',
    `Cannot read ${tree.label}: no image for ${formatPlatform(options.platform)}`,
    { data: { offered }, hint: `There are images for ${offered.join(', ')}` },
  )
}

async function collectManifests(
  tree: FileTree,
  entry: Entry,
  options: LayoutOptions,
  found: Candidate[],
  budget: { documents: number },
  depth = 0,
): Promise<void> {
  if (isAttestation(entry)) return
  if (depth > MAX_NESTING || budget.documents-- === 0) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${tree.label}: too many indexes`)
  }
  // Not read unless chosen: layouts for many platforms are often copied in part.
  if (!isIndexType(entry.mediaType)) {
    found.push({ entry, platform: platformOf(entry) })
    return
  }
  const bytes = await readBlob(tree, entry, options)
  const document = parseImageDocument(bytes, `${entry.digest} in ${tree.label}`, entry.mediaType)
  if (document.kind === 'manifest') throw notOfKind('an index', entry, tree)
  for (const inner of document.index.manifests) {
    await collectManifests(tree, inner, options, found, budget, depth + 1)
  }
}

function notOfKind(kind: string, { digest }: ParsedDescriptor, tree: FileTree): LayerError {
  return new LayerError('ERR_INVALID_IMAGE', `Cannot read ${digest} in ${tree.label}: not ${kind}`)
}

function platformOf({ platform }: Entry): Platform | undefined {
  if (!platform?.os || !platform.architecture) return undefined
  const { os, architecture, variant } = platform
  return { os, architecture, ...(variant ? { variant } : {}) }
}

/** BuildKit's provenance and SBOMs stand in indexes beside the images that they are about. */
function isAttestation({ annotations, platform }: Entry): boolean {
  return (
    annotations?.['vnd.docker.reference.type'] === 'attestation-manifest' ||
    (platform?.os === 'unknown' && platform.architecture === 'unknown')
  )
}

/** Layouts for many platforms are often copied in part. */
async function readIfThere(
  ...args: Parameters<typeof readImage>
): Promise<SourceImage | undefined> {
  try {
    return await readImage(...args)
  } catch (error) {
    if (args[3].everyPlatform && LayerError.is(error, 'ERR_BLOB_NOT_FOUND')) return undefined
    throw error
  }
}

async function readImage(
  tree: FileTree,
  entry: Entry,
  tags: readonly string[],
  options: LayoutOptions,
): Promise<SourceImage> {
  const what = `manifest ${entry.digest} in ${tree.label}`
  const bytes = await readBlob(tree, entry, options)
  const document = parseImageDocument(bytes, what, entry.mediaType)
  if (document.kind === 'index') throw notOfKind('a manifest', entry, tree)
  const { manifest, mediaType } = document
  const configBytes = await readBlob(tree, manifest.config, options)
  return assembleImage(tree, {
    configBytes,
    manifest: { digest: entry.digest, mediaType, bytes },
    blobs: manifest.layers.map(toDescriptor),
    tags,
  })
}

/** An image whose layers are blobs of the layout. */
export function assembleImage(
  tree: FileTree,
  parts: {
    readonly configBytes: Uint8Array
    readonly manifest: SourceManifest
    readonly blobs: readonly Descriptor[]
    readonly tags: readonly string[]
  },
): SourceImage {
  const { configBytes, manifest, blobs, tags } = parts
  const id = digestOf(configBytes) as ImageID
  const config = parseConfig(configBytes, `config ${id} in ${tree.label}`)
  assertLayerCount(config, blobs.length, `manifest ${manifest.digest} in ${tree.label}`)
  const layers = config.rootfs.diff_ids.map((diffID, index) => {
    const blob = blobs[index] as Descriptor
    return {
      diffID,
      blob,
      size: () => sizeOfBlob(tree, blobPath(blob.digest), blob),
      open: (o?: { readonly signal?: AbortSignal | undefined }) =>
        openBlob(tree, blobPath(blob.digest), blob, o),
    }
  })
  return { id, config, configBytes, manifest, layers, tags }
}

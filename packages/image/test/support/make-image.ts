/** Images made by hand, right or wrong as asked. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '@varve/core'
import { type TarEntry, tarOf } from '@varve/testkit'

/** Files of an archive or layout by name. */
export type Files = Map<string, Uint8Array>

export const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

/** A layer tar with one file, different for each text. */
export function layerTar(text: string): Uint8Array {
  return tarOf([{ name: 'etc/' }, { name: `etc/${text}`, data: `${text}\n`.repeat(100) }])
}

export interface MadeLayer {
  readonly tar: Uint8Array
  readonly blob: Uint8Array
  readonly mediaType: string
}

/** A layer packed in some way. */
export function makeLayer(text: string, packing: 'none' | 'gzip' | 'zstd' = 'gzip'): MadeLayer {
  const tar = layerTar(text)
  const mediaType = 'application/vnd.oci.image.layer.v1.tar'
  if (packing === 'none') return { tar, blob: tar, mediaType }
  const blob = packing === 'gzip' ? gzipSync(tar, { level: 1 }) : zstdCompressSync(tar)
  return { tar, blob, mediaType: `${mediaType}+${packing}` }
}

export interface MadeImage {
  readonly id: string
  readonly config: Uint8Array
  readonly layers: readonly MadeLayer[]
}

export function makeImage(
  layers: readonly MadeLayer[],
  more: Record<string, unknown> = {},
): MadeImage {
  const config = bytes({
    architecture: 'amd64',
    os: 'linux',
    created: '2020-01-02T03:04:05Z',
    unknown: { kept: true },
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => digestOf(tar)) },
    history: layers.map((_, i) => ({ created_by: `step ${i}` })),
    ...more,
  })
  return { id: digestOf(config), config, layers }
}

export interface LayoutImage {
  readonly image: MadeImage
  readonly annotations?: Record<string, string>
  readonly platform?: Record<string, string>
  /** Changes the manifest before it is written. */
  readonly manifest?: (manifest: Record<string, unknown>) => Record<string, unknown>
}

const blobName = (data: Uint8Array): string => `blobs/sha256/${digestOf(data).slice(7)}`

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX = 'application/vnd.oci.image.index.v1+json'

/** Puts an image's blobs into a layout; gives its descriptor. */
export function addImage(
  files: Files,
  { image, annotations, platform, manifest = (m) => m }: LayoutImage,
): Record<string, unknown> {
  const add = (data: Uint8Array, mediaType: string) => {
    files.set(blobName(data), data)
    return { mediaType, digest: digestOf(data), size: data.length }
  }
  const document = bytes(
    manifest({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: add(image.config, 'application/vnd.oci.image.config.v1+json'),
      layers: image.layers.map(({ blob, mediaType }) => add(blob, mediaType)),
      annotations: { by: 'hand' },
    }),
  )
  return {
    ...add(document, MANIFEST),
    ...(annotations ? { annotations } : {}),
    ...(platform ? { platform } : {}),
  }
}

/** An OCI layout of these images. */
export function layoutOf(images: readonly LayoutImage[]): Files {
  const files: Files = new Map()
  const manifests = images.map((one) => addImage(files, one))
  files.set('index.json', bytes({ schemaVersion: 2, manifests }))
  files.set('oci-layout', bytes({ imageLayoutVersion: '1.0.0' }))
  return files
}

/** A docker-archive of the old form; `manifest` changes `manifest.json` before it is written. */
export function dockerArchiveOf(
  images: readonly { readonly image: MadeImage; readonly tags?: readonly string[] }[],
  manifest: (items: Record<string, unknown>[]) => unknown = (items) => items,
): Files {
  const files: Files = new Map()
  const items = images.map(({ image, tags }) => {
    const names = image.layers.map(({ blob, tar }) => {
      const name = `${digestOf(tar).slice(7)}/layer.tar`
      files.set(name, blob)
      return name
    })
    files.set(`${image.id.slice(7)}.json`, image.config)
    return { Config: `${image.id.slice(7)}.json`, RepoTags: tags ?? null, Layers: names }
  })
  files.set('manifest.json', bytes(manifest(items)))
  files.set('repositories', bytes({}))
  return files
}

/** Files as a tar, in their order; more entries may follow. */
export function tarOfFiles(files: Files, more: readonly TarEntry[] = []): Uint8Array {
  return tarOf([...[...files].map(([name, data]) => ({ name, data })), ...more])
}

/** Files in a directory. */
export async function writeFiles(files: Files, directory: string): Promise<string> {
  for (const [name, data] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), data)
  }
  return directory
}

/** A stream that gives its bytes in small pieces out of one buffer that it uses again. */
export async function* pieces(data: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size)
  for (let at = 0; at < data.length; at += size) {
    const piece = data.subarray(at, at + size)
    buffer.set(piece)
    yield buffer.subarray(0, piece.length)
  }
}

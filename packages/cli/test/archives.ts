/**
 * Small archives, right and wrong, made by hand.
 */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { encodeHeader, endOfArchive, paddingFor } from '@varve/tar'

const text = new TextEncoder()

export interface Entry {
  readonly name: string
  readonly content?: Uint8Array | string
  readonly linkTo?: string
}

const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? text.encode(content) : content

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A tar of regular files, directories (a name that ends in /) and symbolic links. */
export function tarOf(entries: readonly Entry[]): Uint8Array {
  const parts: Uint8Array[] = []
  const meta = { mode: 0o755, uid: 0, gid: 0, mtime: { sec: 1_790_000_000, nsec: 0 } }
  for (const { name, content, linkTo } of entries) {
    const body = content === undefined ? new Uint8Array(0) : bytesOf(content)
    const type = linkTo !== undefined ? 'symlink' : name.endsWith('/') ? 'directory' : 'file'
    parts.push(
      encodeHeader({
        ...meta,
        type,
        name: text.encode(name),
        ...(linkTo === undefined ? {} : { linkname: text.encode(linkTo) }),
        ...(type === 'file' ? { size: body.length } : {}),
      }),
      body,
      paddingFor(body.length),
    )
  }
  return Buffer.concat([...parts, endOfArchive()])
}

export interface OciParts {
  /** Uncompressed layer tars. */
  readonly layers: readonly Uint8Array[]
  readonly platform?: { readonly os: string; readonly architecture: string }
  /** Changes the blobs before they are named in the manifest. */
  readonly compress?: (layer: Uint8Array) => Uint8Array
  readonly layerType?: string
  readonly diffIDs?: readonly string[]
  /** Changes the manifest before it is written. */
  // biome-ignore lint/suspicious/noExplicitAny: tests break it in every way
  readonly manifest?: (manifest: any) => unknown
  /** Changes the files of the layout at last. */
  readonly files?: (files: Map<string, Uint8Array | string>) => void
}

const blobName = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`

/** An OCI image layout of one image as a tar. */
export function ociTar(parts: OciParts): Uint8Array {
  const { layers, platform = { os: 'linux', architecture: 'amd64' }, compress = gzipSync } = parts
  const files = new Map<string, Uint8Array | string>()
  const add = (content: Uint8Array | string, mediaType: string) => {
    const bytes = bytesOf(content)
    const digest = sha256(bytes)
    files.set(blobName(digest), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const layerType = parts.layerType ?? 'application/vnd.oci.image.layer.v1.tar+gzip'
  const config = {
    ...platform,
    rootfs: { type: 'layers', diff_ids: parts.diffIDs ?? layers.map((layer) => sha256(layer)) },
  }
  const manifest = {
    schemaVersion: 2,
    config: add(JSON.stringify(config), 'application/vnd.oci.image.config.v1+json'),
    layers: layers.map((layer) => add(compress(layer), layerType)),
  }
  const written = parts.manifest ? parts.manifest(manifest) : manifest
  const described = add(JSON.stringify(written), 'application/vnd.oci.image.manifest.v1+json')
  const named = { ...described, annotations: { 'org.opencontainers.image.ref.name': 'test:1' } }
  files.set('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
  files.set('index.json', JSON.stringify({ schemaVersion: 2, manifests: [named] }))
  parts.files?.(files)
  return tarOf([...files].map(([name, content]) => ({ name, content })))
}

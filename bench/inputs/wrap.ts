/** A layer as an image of one layer, for tools that take nothing less. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../interop/run.ts'

const OCI = 'application/vnd.oci.image'

/** Where an image is, in both forms. */
export interface WrappedLayer {
  /** An OCI layout (OCI image layout specification), tag `x`. */
  readonly layout: string
  /** As `docker save` writes it, tag `x:x`. */
  readonly archive: string
}

/**
 * Makes an image around a layer.
 *
 * @param layer the layer as a file, compressed as the media type says
 * @param suffix of the OCI media type: `tar`, `tar+gzip`, `tar+zstd`
 */
export async function wrap(
  layer: string,
  diffID: string,
  suffix: string,
  to: string,
): Promise<WrappedLayer> {
  await rm(to, { recursive: true, force: true })
  const layout = join(to, 'layout')
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true })
  const blob = async (bytes: string) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(layout, 'blobs/sha256', hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const layerHex = await hexDigest(layer)
  await link(layer, join(layout, 'blobs/sha256', layerHex))
  const configText = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/nothing'] },
    rootfs: { type: 'layers', diff_ids: [diffID] },
    history: [{ created: '2026-01-01T00:00:00Z' }],
  })
  const config = await blob(configText)
  const { size } = await stat(layer)
  const manifest = await blob(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: { mediaType: `${OCI}.config.v1+json`, ...config },
      layers: [{ mediaType: `${OCI}.layer.v1.${suffix}`, digest: `sha256:${layerHex}`, size }],
    }),
  )
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: `${OCI}.manifest.v1+json`,
          ...manifest,
          annotations: { 'org.opencontainers.image.ref.name': 'x' },
        },
      ],
    }),
  )
  return { layout, archive: await dockerArchive(to, layer, configText) }
}

async function dockerArchive(to: string, layer: string, config: string): Promise<string> {
  const parts = join(to, 'parts')
  const archive = join(to, 'archive.tar')
  await mkdir(join(parts, 'l'), { recursive: true })
  await link(layer, join(parts, 'l/layer.tar'))
  await writeFile(join(parts, 'config.json'), config)
  await writeFile(
    join(parts, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: ['x:x'], Layers: ['l/layer.tar'] }]),
  )
  await run('tar', ['-C', parts, '-cf', archive, 'manifest.json', 'config.json', 'l'])
  return archive
}

/** SHA-256 of a file in hex. */
export async function hexDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

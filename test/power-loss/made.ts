/** Layers and images made at random, the same ones for the same random numbers. */
import { type DiffID, digestOf } from '@varve/core'
import { type TarEntry, tarOf } from '@varve/testkit'
import type { Random } from './random.ts'

/** Everybody may change what is in them: of every layer that is made here the only such ones. */
export const CHANGING = ['scratch', 'doomed'] as const

const SIZES = [0, 10, 4096, 5000, 70_000, 300_000]

/** A layer tar with a bit of everything: what is in a layer below is hidden or replaced. */
export function makeLayer(random: Random): Uint8Array {
  const entries: TarEntry[] = CHANGING.flatMap((name) => [
    { name: `${name}/` },
    { name: `${name}/file`, data: name },
  ])
  const count = 2 + random(3)
  for (let i = 0; i < count; i++) entries.push(...makeDirectory(`dir-${random(6)}`, random))
  if (random(2) === 0) entries.push({ name: `.wh.dir-${random(6)}` })
  // The same name twice: the first content lives on in the tar-split record alone.
  if (random(3) === 0) entries.push({ name: 'scratch/file', data: 'again' })
  return tarOf(entries)
}

function makeDirectory(dir: string, random: Random): TarEntry[] {
  const file = (i: number): TarEntry => ({
    name: `${dir}/file-${i}`,
    data: Buffer.alloc(SIZES[random(SIZES.length)] ?? 0, `${dir} ${random(1 << 20)}\n`),
    mode: [0o644, 0o600, 0o4755][random(3)] ?? 0,
    uid: random(3) * 1000,
    ...(random(3) === 0 ? { xattrs: { 'user.made': String(random(1 << 20)) } } : {}),
  })
  return [
    { name: `${dir}/`, mode: 0o750 },
    ...Array.from({ length: 1 + random(4) }, (_, i) => file(i)),
    ...(random(3) === 0 ? [{ name: `${dir}/.wh..wh..opq` }] : []),
    { name: `${dir}/.wh.file-${4 + random(2)}` },
    { name: `${dir}/empty/` },
    { name: `${dir}/link`, type: 'symlink', link: `file-${random(1 << 20)}` },
    { name: `${dir}/hard`, type: 'hardlink', link: `${dir}/file-0` },
  ]
}

/** An image in an archive. */
export interface MadeImage {
  readonly id: string
  readonly archive: Uint8Array
  /** Base first. */
  readonly diffIDs: readonly DiffID[]
}

/** An OCI archive of these layers. */
export function makeImage(layers: readonly Uint8Array[], tag: string): MadeImage {
  const blobs = new Map<string, Uint8Array>()
  const add = (mediaType: string, data: Uint8Array) => {
    const digest = digestOf(data)
    blobs.set(`blobs/sha256/${digest.slice('sha256:'.length)}`, data)
    return { mediaType: `application/vnd.oci.image.${mediaType}`, digest, size: data.length }
  }
  const diffIDs = layers.map((layer) => digestOf(layer) as DiffID)
  const config = add(
    'config.v1+json',
    jsonBytes({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIDs },
    }),
  )
  const manifest = add(
    'manifest.v1+json',
    jsonBytes({
      schemaVersion: 2,
      config,
      layers: layers.map((layer) => add('layer.v1.tar', layer)),
    }),
  )
  const annotations = { 'org.opencontainers.image.ref.name': tag }
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] }
  const archive = tarOf([
    { name: 'oci-layout', data: jsonBytes({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', data: jsonBytes(index) },
    ...[...blobs].map(([name, data]) => ({ name, data })),
  ])
  return { id: config.digest, archive, diffIDs }
}

function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

import { run } from './run.ts'

/** What this asks of skopeo's view of an image. */
export interface SkopeoImage {
  readonly diffIDs: readonly string[]
  /** Digest of the manifest's bytes. */
  readonly manifest: string
  /** Digests of the layers' blobs. */
  readonly blobs: readonly string[]
}

/** How skopeo reads an image, in its words: `oci:DIR:TAG`, `docker-archive:FILE:TAG`, … */
export async function inspect(image: string): Promise<SkopeoImage> {
  const [config, raw, digest] = [
    await run('skopeo', ['inspect', '--config', '--raw', image]),
    await run('skopeo', ['inspect', '--raw', image]),
    await run('skopeo', ['inspect', '--format', '{{.Digest}}', image]),
  ]
  return {
    diffIDs: JSON.parse(config).rootfs.diff_ids,
    manifest: digest.trim(),
    blobs: JSON.parse(raw).layers.map((layer: { digest: string }) => layer.digest),
  }
}

/** Copies an image; skopeo reads all of it and compares every digest. */
export async function copy(from: string, to: string, ...options: string[]): Promise<void> {
  await run('skopeo', ['--insecure-policy', 'copy', '-q', ...options, from, to])
}

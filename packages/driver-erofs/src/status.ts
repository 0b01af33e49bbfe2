import { fileSystemOf } from '@varve/trees'
import type { Parts } from './parts.ts'

/** What `varve info` prints. */
export async function statusOf({
  home,
  mounting,
}: Parts): Promise<Readonly<Record<string, string>>> {
  const backing = { 'Backing Filesystem': await fileSystemOf(home.root) }
  if (!mounting) return { ...backing, Mounts: 'none' }
  const { features } = mounting
  return {
    ...backing,
    'Image Mounts': features.images === 'files' ? 'of files' : 'by loop devices',
    'Native Overlay Diff': String(features.nativeDiff),
    'Mount Method': features.method,
  }
}

import { fileSystemOf } from '@varve/trees'
import type { Parts } from './parts.ts'

/** What `varve info` prints; the first five as Docker calls them. */
export async function statusOf({
  home,
  features,
  quota,
}: Parts): Promise<Readonly<Record<string, string>>> {
  return {
    'Backing Filesystem': await fileSystemOf(home.root),
    // Without it the driver does not open, and mounts are told to copy whole files.
    'Supports d_type': 'true',
    'Using metacopy': 'false',
    'Native Overlay Diff': String(features.nativeDiff),
    userxattr: String(features.userxattr),
    'Mount Method': features.method,
    'Mount Options': features.settings
      .map(([key, value]) => (value === true ? key : `${key}=${value}`))
      .join(','),
    'Kernel Index': features.index ? 'off' : 'none',
    'Kernel metacopy': features.metacopy ? 'on, turned off here' : 'off',
    'Kernel redirect_dir': features.redirectDir ? 'on, turned off here' : 'off',
    'Supports volatile': String(features.volatile),
    'Supports size': home.writable ? (quota.reasonAgainst() ?? 'true') : 'not looked for',
  }
}

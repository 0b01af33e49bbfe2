import { type ByteSource, checkAborted } from '@varve/core'
import { openRoot } from '../safe-root/open-root.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { applyTar } from './apply-tar.ts'
import { type AppliedLayer, type ApplyOptions, DEFAULT_LIMITS } from './options.ts'

/**
 * Applies an uncompressed layer tar on a directory tree that holds what the layers beneath it made.
 *
 * Whiteouts remove what they hide, in the way of `options.whiteouts`. No name, link or attribute of
 * the tar reaches anything outside the tree, also while somebody else changes it. The source is read
 * to its end, also beyond the end of the archive.
 *
 * If it fails the tree is left as it is by then: apply layers on a copy.
 *
 * An ordinary user gets files of his own (owners are left out and counted), no devices, and of the
 * extended attributes those that he may set; everything else is kept.
 *
 * @param root a trusted path to the tree
 * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`, `ERR_LIMIT_EXCEEDED`,
 *   `ERR_NO_SPACE`, `ERR_PERMISSION`, `ERR_IO`, `ERR_ABORTED`, and whatever the source throws
 *
 * @example
 * ```ts
 * import { mkdtemp, readFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { applyLayer } from '@varve/archive'
 * import { encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
 *
 * const root = await mkdtemp(join(tmpdir(), 'root-'))
 * const text = new TextEncoder()
 * const content = text.encode('hello')
 * await using applied = await applyLayer(root, [
 *   encodeHeader({
 *     type: 'file',
 *     name: text.encode('etc/motd'),
 *     mode: 0o644,
 *     uid: 0,
 *     gid: 0,
 *     size: content.length,
 *     mtime: { sec: 0, nsec: 0 },
 *   }),
 *   content,
 *   paddingFor(content.length),
 *   endOfArchive(),
 * ])
 * console.assert(applied.size === 5)
 * console.assert((await readFile(join(root, 'etc/motd'), 'utf8')) === 'hello')
 * ```
 */
export async function applyLayer(
  root: string,
  tar: ByteSource,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  checkAborted(options.signal, 'Cannot apply layer')
  using tree = open(root, options)
  return await applyTar(tree, tar, options, root)
}

function open(root: string, options: ApplyOptions): SafeRoot {
  return openRoot(root, {
    ...(options.sys && { sys: options.sys }),
    ...(options.resolver && { resolver: options.resolver }),
    maxLinks: options.limits?.links ?? DEFAULT_LIMITS.links,
    loosen: process.geteuid?.() !== 0,
    ...(options.whiteouts?.apart && { isAbsent: options.whiteouts.apart.isWhiteout }),
  })
}

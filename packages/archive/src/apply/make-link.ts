import { LayerError } from '@varve/core'
import { type FileStat, S } from '@varve/sys'
import type { TarEntry } from '@varve/tar'
import { baseOf, fromBinary, joined, parentOf, shown, toBinary } from '../safe-root/binary.ts'
import { type ApplyContext, bringUp, makeAnew, parentDirectory } from './context.ts'
import { cleanEntryName, invalid, unsafe } from './entry-name.ts'
import { omitDevice } from './make-node.ts'
import { setMetadata, timesOf } from './metadata.ts'

/** A hard link's target as a path in the layer (rule 24). @throws LayerError `ERR_UNSAFE_PATH` */
export function linkTarget(entry: TarEntry, name: string, limit: number): string {
  const given = toBinary(entry.linkname)
  let target: string
  try {
    target = cleanEntryName(given.replace(/^\/+/, ''), limit)
  } catch (error) {
    if (!LayerError.is(error, 'ERR_UNSAFE_PATH')) throw error
    throw unsafe(name, `what it links to, ${shown(given)}, is outside the layer`)
  }
  if (target === '') throw unsafe(name, 'it links to the root')
  return target
}

/** Makes a hard link to a file that is in the layer or beneath it (rules 24 and 25). */
export function makeLink(
  context: ApplyContext,
  entry: TarEntry,
  path: string,
  base: string,
  name: string,
  target: string,
): void {
  const { root, calls } = context
  const targetBase = fromBinary(baseOf(target))
  const found = root.directory(parentOf(target), bringUp(context))
  const targetParent = found?.path ?? parentOf(target)
  const stat = found && targetStat(context, targetParent, targetBase)
  const targetPath = joined(targetParent, baseOf(target))
  const parent = parentDirectory(context, path).path
  if (!stat) {
    if (!context.missingDevices.has(targetPath)) {
      throw invalid(name, `what it links to, ${shown(target)}, is missing`)
    }
    omitDevice(context, parent, base)
    return
  }
  if ((stat.mode & S.IFMT) === S.IFDIR) throw invalid(name, 'it links to a directory')
  const own = joined(parent, base)
  if (own === targetPath) throw invalid(name, 'it links to itself')
  if (targetPath.startsWith(`${own}/`)) {
    throw invalid(name, `it takes the place of the directory that holds ${shown(target)}`)
  }
  makeAnew(context, parent, base, (_, bytes) => {
    const from = root.open(targetParent).fd
    const to = root.open(parent).fd
    calls.linkat(from, targetBase, to, bytes)
  })
  context.tree.wrote(own, true)
  if ((stat.mode & S.IFMT) === S.IFLNK) return
  const { fd } = root.open(parent)
  setMetadata(context, entry, fd, base)
  const [atimeNs, mtimeNs] = timesOf(entry)
  calls.utimensat(fd, fromBinary(base), atimeNs, mtimeNs)
}

/** What a link's target is; if the layers beneath have it, the layer gets a copy. */
function targetStat(
  { root, calls, tree, whiteouts }: ApplyContext,
  parent: string,
  name: Uint8Array,
): FileStat | undefined {
  const stat = calls.statIfAny(root.open(parent).fd, name)
  const { apart } = whiteouts
  if (!apart) return stat
  if (stat) return apart.isWhiteout(stat) ? undefined : stat
  if (!apart.copyUp(tree, parent, toBinary(name), 'any')) return undefined
  return calls.statIfAny(root.open(parent).fd, name)
}

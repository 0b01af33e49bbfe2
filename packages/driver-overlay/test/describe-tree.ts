import { AT, type FileStat, type NativeCalls, O, S } from '@varve/sys'
import { bytes } from './place.ts'

const SELF = new Uint8Array(0)
const TYPES: Readonly<Record<number, string>> = {
  [S.IFREG]: 'file',
  [S.IFDIR]: 'dir',
  [S.IFLNK]: 'symlink',
  [S.IFCHR]: 'char',
  [S.IFBLK]: 'block',
  [S.IFIFO]: 'fifo',
  [S.IFSOCK]: 'socket',
}

/** In place of what is not told of a file with several names. */
const SEVERAL_NAMES = '…'

/** What {@link describeTree} leaves out. */
export interface Leniency {
  /** Metadata of files with several names, and which names those are. */
  readonly links?: boolean
}

/**
 * All that a tree is, one text for each path: type, mode, owner, time in seconds (of a directory
 * none), content, target, device, extended attributes, and the first of all names of a file.
 */
export function describeTree(
  native: NativeCalls,
  path: string,
  lenient: Leniency = {},
): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  const first = new Map<bigint, string>()
  const root = native.openat(AT.FDCWD, bytes(path), O.RDONLY | O.DIRECTORY)
  const visit = (dirfd: number, prefix: string) => {
    const names = native.readdir(dirfd).map(({ name }) => Buffer.from(name).toString('latin1'))
    for (const name of names.sort()) {
      const raw = Buffer.from(name, 'latin1')
      const at = prefix + name
      const stat = native.statat(dirfd, raw)
      found.set(at, describe(native, dirfd, raw, stat, lenient, nameOf(first, stat, at)))
      if ((stat.mode & S.IFMT) !== S.IFDIR) continue
      const fd = native.openat(dirfd, raw, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
      visit(fd, `${at}/`)
      native.close(fd)
    }
  }
  visit(root, '')
  native.close(root)
  return found
}

/**
 * A description that may be held against another one: overlay counts names in lower layers that a copy
 * has no more, so what is not told of a file in one tree must not be told in the other.
 */
export function comparable(
  tree: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const shorten = ([path, text]: [string, string]): [string, string] => {
    const short = other.get(path)
    const isShort = short?.endsWith(` ${SEVERAL_NAMES}`) ?? false
    const told = short?.slice(0, -SEVERAL_NAMES.length) ?? ''
    return isShort && text.startsWith(told) ? [path, `${told}${SEVERAL_NAMES}`] : [path, text]
  }
  return new Map([...tree].map(shorten))
}

function nameOf(first: Map<bigint, string>, stat: FileStat, at: string): string {
  if ((stat.mode & S.IFMT) === S.IFDIR) return at
  const name = first.get(stat.ino) ?? at
  first.set(stat.ino, name)
  return name
}

function describe(
  native: NativeCalls,
  dirfd: number,
  name: Uint8Array,
  stat: FileStat,
  lenient: Leniency,
  firstName: string,
): string {
  const type = stat.mode & S.IFMT
  const parts: unknown[] = [TYPES[type], contentOf(native, dirfd, name, stat)]
  if (lenient.links && stat.nlink > 1 && type !== S.IFDIR)
    return [...parts, SEVERAL_NAMES].join(' ')
  parts.push((stat.mode & 0o7777).toString(8), `${stat.uid}:${stat.gid}`)
  if (type !== S.IFDIR) parts.push(stat.mtimeNs / 1_000_000_000n)
  const xattrs = native.listxattr(dirfd, name).map((attribute) => {
    const value = native.getxattr(dirfd, name, attribute) ?? SELF
    return `${Buffer.from(attribute).toString('latin1')}=${Buffer.from(value).toString('hex')}`
  })
  // Overlay's own; and what looks like them, which is kept under another name.
  parts.push(...xattrs.filter((text) => !/^(?:trusted|user)\.overlay\./.test(text)).sort())
  if (!lenient.links) parts.push(`as ${firstName}`)
  return parts.join(' ')
}

function contentOf(native: NativeCalls, dirfd: number, name: Uint8Array, stat: FileStat): string {
  const type = stat.mode & S.IFMT
  if (type === S.IFLNK) return Buffer.from(native.readlinkat(dirfd, name)).toString('latin1')
  if (type === S.IFCHR || type === S.IFBLK) return `${stat.rdevMajor}:${stat.rdevMinor}`
  if (type !== S.IFREG) return ''
  const fd = native.openat(dirfd, name, O.RDONLY | O.NOFOLLOW)
  const buffer = Buffer.alloc(stat.size)
  native.read(fd, buffer)
  native.close(fd)
  return buffer.toString('latin1').replaceAll('\0', '·')
}

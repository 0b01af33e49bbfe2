import { AT, type FileStat, O, S } from '@varve/sys'
import { toBinary } from '../safe-root/binary.ts'
import type { FileCalls } from '../safe-root/calls.ts'
import type { ModelFile, ModelTree } from './model-tree.ts'

/** What a descriptor is open on, and how far it has been read or written. */
interface Open {
  readonly file: ModelFile
  offset: number
}

const CAPABILITY = 'security.capability'

/**
 * {@link FileCalls} on a {@link ModelTree}, as far as applying a layer needs them: nobody is forbidden
 * anything, and of contents only the size is kept. A path from the working directory, whatever it
 * says, is an empty directory for payloads that are set aside.
 */
export function modelCalls(tree: ModelTree): {
  readonly calls: FileCalls
  readonly rootfd: number
} {
  const descriptors = new Map<number, Open>()
  let next = 0
  const opened = (file: ModelFile): number => {
    descriptors.set(next, { file, offset: 0 })
    return next++
  }
  const at = (fd: number): Open => descriptors.get(fd) ?? fail('EBADF')
  const isDirectory = (file: ModelFile) => (file.mode & S.IFMT) === S.IFDIR
  const find = (dirfd: number, name: Uint8Array): ModelFile | undefined =>
    name.length === 0 ? at(dirfd).file : tree.find(at(dirfd).file, toBinary(name))
  const get = (dirfd: number, name: Uint8Array): ModelFile => find(dirfd, name) ?? fail('ENOENT')
  const add = (dirfd: number, name: Uint8Array, file: ModelFile): ModelFile => {
    if (find(dirfd, name)) return fail('EEXIST')
    tree.put(at(dirfd).file, toBinary(name), file)
    return file
  }
  const chown = (file: ModelFile, uid: number, gid: number) => {
    if (!isDirectory(file)) tree.xattrsOf(file).delete(CAPABILITY)
    Object.assign(file, { uid, gid, isSet: true })
  }
  const chmod = (file: ModelFile, mode: number) => {
    Object.assign(file, { mode: (file.mode & S.IFMT) | (mode & 0o7777), isSet: true })
  }
  const setTime = (file: ModelFile, mtimeNs: bigint) => {
    Object.assign(file, { mtimeNs, isSet: true })
  }
  const calls: FileCalls = {
    openat(dirfd, name, flags, mode = 0) {
      if (dirfd === AT.FDCWD) return opened(tree.make(S.IFDIR))
      if (flags & O.CREAT) return opened(add(dirfd, name, tree.make(S.IFREG | mode)))
      const file = toBinary(name) === '.' ? at(dirfd).file : get(dirfd, name)
      if ((file.mode & S.IFMT) === S.IFLNK) fail('ELOOP')
      if (flags & O.DIRECTORY && !isDirectory(file)) fail('ENOTDIR')
      return opened(file)
    },
    close: (fd) => {
      descriptors.delete(fd)
    },
    mkdirIfNone(dirfd, name, mode) {
      if (find(dirfd, name)) return false
      add(dirfd, name, tree.make(S.IFDIR | mode))
      return true
    },
    mknodat(dirfd, name, mode, rdevMajor = 0, rdevMinor = 0) {
      add(dirfd, name, tree.make(mode, { rdevMajor, rdevMinor }))
    },
    symlinkat(target, dirfd, name) {
      add(dirfd, name, tree.make(S.IFLNK | 0o777, { target: new Uint8Array(target) }))
    },
    linkat(fromDirfd, from, toDirfd, to) {
      add(toDirfd, to, get(fromDirfd, from))
    },
    unlinkIfAny(dirfd, name) {
      if (!find(dirfd, name)) return false
      tree.put(at(dirfd).file, toBinary(name), undefined)
      return true
    },
    renameat2(fromDirfd, from, toDirfd, to) {
      tree.put(at(toDirfd).file, toBinary(to), get(fromDirfd, from))
      tree.put(at(fromDirfd).file, toBinary(from), undefined)
    },
    readlinkat: (dirfd, name) => get(dirfd, name).target ?? fail('EINVAL'),
    readdir: (fd) =>
      [...tree.list(at(fd).file)].map((name) => {
        const mode = tree.find(at(fd).file, name)?.mode ?? 0
        return { name: Buffer.from(name, 'latin1'), type: (mode & S.IFMT) >> 12 }
      }),
    fstat: (fd) => statOf(at(fd).file),
    statIfAny(dirfd, name) {
      const file = find(dirfd, name)
      return file && statOf(file)
    },
    fchmod: (fd, mode) => chmod(at(fd).file, mode),
    fchmodat: (dirfd, name, mode) => chmod(get(dirfd, name), mode),
    fchown: (fd, uid, gid) => chown(at(fd).file, uid, gid),
    fchownat: (dirfd, name, uid, gid) => chown(get(dirfd, name), uid, gid),
    futimens: (fd, _, mtime) => setTime(at(fd).file, mtime),
    utimensat: (dirfd, name, _, mtime) => setTime(get(dirfd, name), mtime),
    setxattr(dirfd, name, attribute, value) {
      const file = get(dirfd, name)
      tree.xattrsOf(file).set(toBinary(attribute), new Uint8Array(value))
      file.isSet = true
    },
    getxattr: (dirfd, name, attribute) => tree.xattrsOf(get(dirfd, name)).get(toBinary(attribute)),
    listxattr: (dirfd, name) =>
      [...tree.xattrsOf(get(dirfd, name)).keys()].map((key) => Buffer.from(key, 'latin1')),
    removexattr(dirfd, name, attribute) {
      tree.xattrsOf(get(dirfd, name)).delete(toBinary(attribute))
    },
    read(fd, buffer, position) {
      const open = at(fd)
      const from = position ?? open.offset
      const bytes = Math.max(0, Math.min(buffer.length, open.file.size - from))
      if (position === undefined) open.offset += bytes
      return bytes
    },
    write(fd, buffer, position) {
      const open = at(fd)
      const end = (position ?? open.offset) + buffer.length
      if (position === undefined) open.offset = end
      open.file.size = Math.max(open.file.size, end)
    },
    ftruncate(fd, size) {
      at(fd).file.size = size
    },
    seekData: (fd, offset) => (offset < at(fd).file.size ? offset : undefined),
    seekHole: (fd) => at(fd).file.size,
  }
  return { calls, rootfd: opened(tree.root) }
}

function statOf(file: ModelFile): FileStat {
  const { ino, mode, uid, gid, size, rdevMajor, rdevMinor } = file
  const mtimeNs = file.mtimeNs ?? 0n
  const times = { atimeNs: mtimeNs, mtimeNs, ctimeNs: mtimeNs }
  return { ino, dev: 0, nlink: 1, mode, uid, gid, size, blocks: 0, rdevMajor, rdevMinor, ...times }
}

function fail(code: string): never {
  throw Object.assign(new Error(code), { code })
}

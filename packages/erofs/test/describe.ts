import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { ErofsImage } from '@varve/erofs'
import { AT, type FileStat, type NativeCalls, O, openSys, S } from '@varve/sys'

export const isRoot: boolean = process.platform === 'linux' && process.getuid?.() === 0
/** Whether this kernel mounts images, and this user may. */
export const canMount: boolean =
  isRoot &&
  spawnSync('sh', ['-c', 'modprobe -q erofs; grep -qw erofs /proc/filesystems']).status === 0

const TYPES: Readonly<Record<number, string>> = {
  [S.IFREG]: 'file',
  [S.IFDIR]: 'directory',
  [S.IFLNK]: 'symlink',
  [S.IFCHR]: 'char',
  [S.IFBLK]: 'block',
  [S.IFIFO]: 'fifo',
}

/** All that a tree is, one text for each path in binary. */
export type Described = ReadonlyMap<string, string>

/** What is compared. */
export interface Leniency {
  /** Times of directories are left out, and those of others are whole seconds. */
  readonly times?: boolean
}

interface Facts {
  readonly type: string
  readonly content: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly xattrs: readonly (readonly [string, Uint8Array])[]
  readonly first: string
}

function text(facts: Facts, lenient: Leniency): string {
  const { type, content, mode, uid, gid, mtimeNs, xattrs, first } = facts
  const time = !lenient.times ? mtimeNs : type === 'directory' ? '' : mtimeNs / 1_000_000_000n
  const attributes = xattrs
    .map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`)
    .sort()
  return [
    type,
    content,
    mode.toString(8),
    `${uid}:${gid}`,
    time,
    ...attributes,
    `as ${first}`,
  ].join(' ')
}

/** As this package reads it. */
export async function describeImage(image: ErofsImage, lenient: Leniency = {}): Promise<Described> {
  const found = new Map<string, string>()
  const firsts = new Map<number, string>()
  for await (const { name, stat } of image.walk()) {
    const path = binary(name)
    let content = stat.target ? binary(stat.target) : ''
    if (stat.type === 'char' || stat.type === 'block') content = `${stat.devmajor}:${stat.devminor}`
    if (stat.type === 'file') {
      const parts = await Array.fromAsync(image.read(name))
      content = binary(Buffer.concat(parts))
    }
    const first = firsts.get(stat.nid) ?? path
    firsts.set(stat.nid, first)
    const { type, mode, uid, gid, mtime } = stat
    const mtimeNs = BigInt(mtime.sec) * 1_000_000_000n + BigInt(mtime.nsec)
    const facts = { type, content, mode, uid, gid, mtimeNs, xattrs: [...stat.xattrs], first }
    found.set(path, text(facts, lenient))
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** As the kernel shows it. */
export function describeTree(path: string, lenient: Leniency = {}): Described {
  const native = nativeCalls()
  const found = new Map<string, string>()
  const firsts = new Map<bigint, string>()
  const visit = (dirfd: number, prefix: string) => {
    const names = native.readdir(dirfd).map(({ name }) => binary(name))
    for (const name of names.sort()) {
      const raw = Buffer.from(name, 'latin1')
      const at = prefix + name
      const stat = native.statat(dirfd, raw)
      const type = stat.mode & S.IFMT
      const isDirectory = type === S.IFDIR
      const first = isDirectory ? at : (firsts.get(stat.ino) ?? at)
      firsts.set(stat.ino, first)
      found.set(
        at,
        text(
          {
            type: TYPES[type] ?? '?',
            content: contentOf(native, dirfd, raw, stat),
            mode: stat.mode & 0o7777,
            uid: stat.uid,
            gid: stat.gid,
            mtimeNs: stat.mtimeNs,
            xattrs: native
              .listxattr(dirfd, raw)
              .map((key) => [binary(key), native.getxattr(dirfd, raw, key) ?? new Uint8Array(0)]),
            first,
          },
          lenient,
        ),
      )
      if (!isDirectory) continue
      const fd = native.openat(dirfd, raw, O.RDONLY | O.DIRECTORY | O.NOFOLLOW)
      visit(fd, `${at}/`)
      native.close(fd)
    }
  }
  const root = native.openat(AT.FDCWD, Buffer.from(path), O.RDONLY | O.DIRECTORY)
  visit(root, '')
  native.close(root)
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function contentOf(native: NativeCalls, dirfd: number, name: Uint8Array, stat: FileStat): string {
  const type = stat.mode & S.IFMT
  if (type === S.IFLNK) return binary(native.readlinkat(dirfd, name))
  if (type === S.IFCHR || type === S.IFBLK) return `${stat.rdevMajor}:${stat.rdevMinor}`
  if (type !== S.IFREG) return ''
  const fd = native.openat(dirfd, name, O.RDONLY | O.NOFOLLOW)
  const buffer = Buffer.alloc(stat.size)
  let at = 0
  for (let n = 1; at < stat.size && n > 0; at += n) n = native.read(fd, buffer.subarray(at), at)
  native.close(fd)
  return binary(buffer.subarray(0, at))
}

function nativeCalls(): NativeCalls {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

/** One character for each byte. */
export function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** A directory that is gone at the end of the scope, with all that is mounted in it. */
export function place(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'varve-erofs-'))
  return {
    path,
    [Symbol.dispose]() {
      if (isRoot) execFileSync('sh', ['-c', UNMOUNT, 'sh', path])
      rmSync(path, { recursive: true, force: true })
    },
  }
}

const UNMOUNT = 'grep -o " $1/[^ ]*" /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l'

/** Mounts images by the kernel, the base first, and shows the last; on loop devices, which work everywhere. */
export function mountImages(dir: string, images: readonly Uint8Array[]): string {
  const target = mkdtempSync(join(dir, 'mnt-'))
  const files = images.map((image, i) => {
    const file = `${target}.${i}`
    writeFileSync(file, image)
    return file
  })
  const top = files.pop() ?? ''
  execFileSync('sh', ['-c', MOUNT, 'sh', top, target, ...files], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  return target
}

// A loop device that is detached while it is mounted is gone with the mount.
const MOUNT = `set -e
top=$(losetup -rf --show "$1"); target=$2; shift 2; options=ro; loops=$top
for file; do loop=$(losetup -rf --show "$file"); options=$options,device=$loop; loops="$loops $loop"; done
mount -t erofs -o "$options" "$top" "$target" || { losetup -d $loops; exit 1; }
losetup -d $loops`

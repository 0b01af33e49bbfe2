import { constants, existsSync } from 'node:fs'
import {
  copyFile,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  symlink,
  utimes,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FileBasicInfo, WinRoot } from '@varve/sys'
import { BackupReader, encodePartHeader, STREAM } from '../codec/backup-stream.ts'
import { ATTRIBUTE } from '../codec/file-info.ts'
import { filetimeOf } from '../codec/filetime.ts'
import { encodeReparsePoint, parseReparsePoint } from '../codec/reparse-point.ts'
import { DIRECTORY_INFO, META } from './emulated-fs.ts'

/** A file of a tree: its name from the tree's top, with backslashes. */
export interface Found {
  readonly name: string
  readonly info: FileBasicInfo
  readonly size: number
  readonly id: string
}

/** Everything below `top`, directories before what is in them, in the order of their names' bytes. */
export async function* walk(root: WinRoot, top: string): AsyncGenerator<Found> {
  const names = [...(await root.list(top))]
  for (const name of names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const path = top === '' ? name : `${top}\\${name}`
    const stat = await root.stat(path)
    if (stat === undefined) continue
    yield { name: path, info: stat.info, size: stat.size, id: stat.id }
    if (isPlainDirectory(stat.info)) yield* walk(root, path)
  }
}

/** A directory that is no link. */
export function isPlainDirectory({ attributes }: FileBasicInfo): boolean {
  return (attributes & (ATTRIBUTE.directory | ATTRIBUTE.reparsePoint)) === ATTRIBUTE.directory
}

/** Gives `to` the same tree below `top` as `from`, its files shared. */
export async function cloneTree(from: WinRoot, to: WinRoot, top: string): Promise<void> {
  await shareFiles(join(from.path, top), join(to.path, top))
  const sidecars = join(from.path, META, top)
  if (!existsSync(sidecars)) return
  await mkdir(join(to.path, META), { recursive: true })
  await shareFiles(sidecars, join(to.path, META, top))
}

/** Sidecars of directories are changed in place, so they are copied. */
async function shareFiles(from: string, to: string): Promise<void> {
  const stat = await lstat(from)
  await mkdir(to, { mode: 0o755 })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await shareFiles(source, copy)
    else if (entry.name === DIRECTORY_INFO) await copyFile(source, copy)
    else await link(source, copy)
  }
  await utimes(to, stat.atime, stat.mtime)
}

/**
 * Lays a layer's files out as an ordinary tree, with symbolic links and times, for programs that are
 * to see them.
 *
 * @returns how each path looked, to tell later what was changed
 */
export async function layOut(
  root: WinRoot,
  top: string,
  to: string,
): Promise<Record<string, string>> {
  await mkdir(to, { mode: 0o755 })
  const looks: Record<string, string> = {}
  const directories: { path: string; info: FileBasicInfo }[] = []
  for await (const { name, info } of walk(root, top)) {
    const path = join(to, ...name.slice(top.length + 1).split('\\'))
    if (isPlainDirectory(info)) {
      await mkdir(path, { mode: 0o755 })
      directories.push({ path, info })
    } else if ((info.attributes & ATTRIBUTE.reparsePoint) !== 0) {
      await symlink(await targetOf(root, name), path)
    } else {
      const source = join(root.path, ...name.split('\\'))
      await copyFile(source, path, constants.COPYFILE_FICLONE)
      await showTime(path, info.lastWrite)
    }
  }
  for (const { path, info } of directories.reverse()) await showTime(path, info.lastWrite)
  for await (const [path, look] of looksOf(to)) looks[path] = look
  return looks
}

/** Copies an ordinary tree, with its times. */
export async function copyTree(from: string, to: string): Promise<void> {
  const stat = await lstat(from)
  await mkdir(to, { mode: stat.mode })
  for (const name of await readdir(from)) {
    const [source, copy] = [join(from, name), join(to, name)]
    const { mode, atime, mtime } = await lstat(source)
    if ((mode & constants.S_IFMT) === constants.S_IFDIR) {
      await copyTree(source, copy)
    } else if ((mode & constants.S_IFMT) === constants.S_IFLNK) {
      await symlink(await readlink(source), copy)
      await lutimes(copy, atime, mtime)
    } else {
      await copyFile(source, copy, constants.COPYFILE_FICLONE)
      await utimes(copy, atime, mtime)
    }
  }
  await utimes(to, stat.atime, stat.mtime)
}

async function targetOf(root: WinRoot, name: string): Promise<string> {
  await using file = await root.open(name, 'read')
  const reader = new BackupReader(file.backupRead(false))
  for (let part = await reader.next(); part; part = await reader.next()) {
    if (part.id !== STREAM.reparse) continue
    const point = parseReparsePoint(await reader.payload(1 << 16, name), true)
    return point.target.replaceAll('\\', '/') || '.'
  }
  return '.'
}

async function showTime(path: string, lastWrite: bigint): Promise<void> {
  const seconds = Number((lastWrite - filetimeOf(0n)) / 10n) / 1e6
  const time = Math.max(0, Math.min(seconds, 2 ** 33))
  await utimes(path, time, time)
}

/** How a directory looks. */
export const DIRECTORY = 'directory'

/** How every path below a directory looks, deepest last. */
export async function* looksOf(top: string, prefix = ''): AsyncGenerator<[string, string]> {
  const names = await readdir(join(top, prefix))
  for (const name of names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    const path = prefix === '' ? name : `${prefix}/${name}`
    const stat = await lstat(join(top, path), { bigint: true })
    const { mode, size, ino, mtimeNs, ctimeNs } = stat
    // Of a directory only that it is one: what is in it is looked at.
    yield [path, stat.isDirectory() ? DIRECTORY : `${mode} ${size} ${ino} ${mtimeNs} ${ctimeNs}`]
    if (stat.isDirectory()) yield* looksOf(top, path)
  }
}

/** What {@link asWindowsFile} tells. */
export interface OrdinaryFile {
  readonly info: FileBasicInfo
  /** What its backup stream begins with; its data follows, if it has any. */
  readonly head: Uint8Array
  readonly hasData: boolean
  readonly size: number
}

/** An ordinary file as Windows would back it up; undefined for what Windows has not. */
export async function asWindowsFile(path: string): Promise<OrdinaryFile | undefined> {
  const stat = await lstat(path, { bigint: true })
  const info = (attributes: number): FileBasicInfo => ({
    creation: filetimeOf(stat.birthtimeNs),
    lastAccess: filetimeOf(stat.atimeNs),
    lastWrite: filetimeOf(stat.mtimeNs),
    change: filetimeOf(stat.ctimeNs),
    attributes,
  })
  const none = new Uint8Array(0)
  if (stat.isDirectory())
    return { info: info(ATTRIBUTE.directory), head: none, hasData: false, size: 0 }
  if (stat.isSymbolicLink()) {
    const target = (await readlink(path)).replaceAll('/', '\\')
    const payload = encodeReparsePoint({ target, isMountPoint: false })
    const header = encodePartHeader({ id: STREAM.reparse, size: payload.length })
    const attributes = ATTRIBUTE.archive | ATTRIBUTE.reparsePoint
    const head = Buffer.concat([header, payload])
    return { info: info(attributes), head, hasData: false, size: 0 }
  }
  if (!stat.isFile()) return undefined
  const size = Number(stat.size)
  const head = encodePartHeader({ id: STREAM.data, size })
  return { info: info(ATTRIBUTE.archive), head, hasData: true, size }
}

/** The name that holds a name. */
export function parentName(name: string): string {
  return dirname(name.replaceAll('\\', '/')).replaceAll('/', '\\')
}

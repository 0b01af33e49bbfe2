import type { BigIntStats } from 'node:fs'
import {
  chmod,
  constants,
  copyFile,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readlink,
  symlink,
  utimes,
} from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { LayerError } from '@varve/core'
import type { Pace } from '../pace.ts'

/**
 * Copies a directory as well as the runtime's own modules can: content (by reflink where they
 * know how), owner if this is root, mode, links among the files, and times to the microsecond.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` for a device, a pipe, or a name that is not UTF-8
 */
export async function copyTreePortably(from: string, to: string, pace: Pace): Promise<void> {
  const links = new Map<string, string>()
  const directories: { readonly path: string; readonly stat: BigIntStats }[] = []
  const pending = ['']
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const stat = await lstat(join(from, path), { bigint: true })
    directories.push({ path, stat })
    for (const name of await readdir(join(from, path))) {
      if (pace.due()) await pace.rest()
      const child = join(path, name)
      refuseLostName(child)
      const made = await copyEntry(join(from, child), join(to, child), links)
      if (made === 'directory') pending.push(child)
    }
  }
  for (const { path, stat } of directories.reverse()) await copyMetadata(join(to, path), stat)
}

async function copyEntry(
  from: string,
  to: string,
  links: Map<string, string>,
): Promise<'directory' | 'file'> {
  const stat = await lstat(from, { bigint: true })
  if (stat.isDirectory()) {
    await mkdir(to, 0o700)
    return 'directory'
  }
  if (stat.nlink > 1n) {
    const key = `${stat.dev}:${stat.ino}`
    const first = links.get(key)
    if (first !== undefined) {
      await link(first, to)
      return 'file'
    }
    links.set(key, to)
  }
  if (stat.isFile()) {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } else if (stat.isSymbolicLink()) {
    await symlink(await readlink(from), to)
  } else {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot copy ${from}: it is a device or a pipe`, {
      data: { path: from },
      hint: 'Use it on Linux, with FFI',
    })
  }
  await copyMetadata(to, stat)
  return 'file'
}

async function copyMetadata(to: string, stat: BigIntStats): Promise<void> {
  const [atime, mtime] = [seconds(stat.atimeNs), seconds(stat.mtimeNs)]
  if (process.getuid?.() === 0) await lchown(to, Number(stat.uid), Number(stat.gid))
  if (stat.isSymbolicLink()) {
    if (process.platform !== 'win32') await lutimes(to, atime, mtime)
    return
  }
  await chmod(to, Number(stat.mode) & 0o7777)
  await utimes(to, atime, mtime)
}

function seconds(ns: bigint): number {
  return Number(ns / 1000n) / 1e6
}

/** What `readdir` could not decode has U+FFFD in it, and names nothing, or something else. */
function refuseLostName(path: string): void {
  if (!path.includes('\ufffd')) return
  throw new LayerError('ERR_NOT_SUPPORTED', `Cannot copy ${path}: its name is not UTF-8`, {
    data: { path },
    hint: 'Use it on Linux, with FFI',
  })
}

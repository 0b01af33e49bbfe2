import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AT, type NativeCalls, O, openSys } from '@varve/sys'
import { canMount, place } from './place.ts'

/** How a file system is made, and mounted. */
const KINDS = {
  ext4: { mkfs: ['mkfs.ext4', '-q', '-b', '4096', '-O', 'verity'], options: 'loop', MB: 32 },
  'ext4 of small blocks': {
    mkfs: ['mkfs.ext4', '-q', '-b', '1024', '-O', 'verity'],
    options: 'loop',
    MB: 32,
  },
  // Without its own sums of data, which would find first what fs-verity shall find.
  btrfs: { mkfs: ['mkfs.btrfs', '-q'], options: 'loop,nodatasum', MB: 114 },
} as const

/** A file system with fs-verity, in a file. */
export interface VerityDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string
  /** Changes a byte of each place on the disk where a text is; nothing there may be in use. */
  alter(text: string): void
}

/** @throws if the kernel has none, or mkfs is not installed */
export function verityDisk(kind: keyof typeof KINDS): VerityDisk {
  const dir = place(tmpdir())
  const { mkfs, options, MB } = KINDS[kind]
  const [disk, path] = [join(dir.path, 'disk'), join(dir.path, 'mount')]
  const mount = () => execFileSync('mount', ['-o', options, disk, path], { stdio: 'pipe' })
  try {
    fs.mkdirSync(path)
    fs.writeFileSync(disk, '')
    fs.truncateSync(disk, MB * 2 ** 20)
    const [program, ...args] = mkfs
    execFileSync(program, [...args, disk], { stdio: 'pipe' })
    mount()
  } catch (error) {
    fs.rmSync(dir.path, { recursive: true })
    throw error
  }
  return {
    path,
    alter(text) {
      execFileSync('umount', [path])
      const bytes = fs.readFileSync(disk)
      const fd = fs.openSync(disk, 'r+')
      let found = 0
      for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) {
        fs.writeSync(fd, '?', at)
        found++
      }
      fs.closeSync(fd)
      mount()
      if (found === 0) throw new Error(`"${text}" must be on the disk`)
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

/** Why there can be no fs-verity here; undefined if there can. */
export async function whyNoVerity(kind: keyof typeof KINDS): Promise<string | undefined> {
  if (!canMount) return 'only root may mount'
  try {
    await using disk = verityDisk(kind)
    const file = join(disk.path, 'f')
    fs.writeFileSync(file, '')
    return (await putUnderVerity(file)) ? undefined : 'the kernel has no fs-verity'
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? error)
      .trim()
      .split('\n')[0]
  }
}

/** False where that cannot be. */
export function putUnderVerity(path: string): Promise<boolean> {
  return withFile(path, (native, fd) => native.enableVerity(fd))
}

/** In hex; undefined if the file is not under fs-verity. */
export async function measure(path: string): Promise<string | undefined> {
  const digest = await withFile(path, (native, fd) => native.measureVerity(fd))
  return digest && Buffer.from(digest).toString('hex')
}

async function withFile<T>(
  path: string,
  use: (native: NativeCalls, fd: number) => T | Promise<T>,
): Promise<T> {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  const fd = native.openat(AT.FDCWD, new TextEncoder().encode(path), O.RDONLY)
  try {
    return await use(native, fd)
  } finally {
    native.close(fd)
  }
}

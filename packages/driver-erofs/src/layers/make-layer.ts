import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheID } from '@varve/core'
import { AT, O } from '@varve/sys'
import { copyMetadata, ITSELF, writeSynced } from '@varve/trees'
import { type Home, PRIVATE } from '../home.ts'
import { readImageHead } from '../image/open-image.ts'
import type { Mounting } from '../parts.ts'
import { chainOf, isCommitted, isReadWrite } from './chain.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/**
 * Makes an empty layer, in place: the store has written its id down, so a half-made one is found.
 *
 * @throws `EEXIST` if there is something of that id
 */
export async function makeLayer(
  home: Home,
  id: CacheID,
  parent: CacheID | undefined,
): Promise<void> {
  await makeDirectory(home.layer(id), PRIVATE)
  if (parent === undefined) return
  await writeSynced(join(home.layer(id), 'parent'), parent, 0o600)
  if ((await isReadWrite(home, parent)) && !(await isCommitted(home, parent))) {
    await writeSynced(join(home.layer(parent), 'committed'), '', 0o600)
  }
}

/**
 * Makes an empty directory for what a read-write layer changes. Its root is as the one beneath: the
 * topmost layer's is that of all.
 */
export async function makeUpper(
  { native, marks }: Mounting,
  home: Home,
  path: string,
  parent: CacheID | undefined,
): Promise<void> {
  await makeDirectory(path, 0o755)
  if (parent === undefined) return
  const { upper, image } = await chainOf(home, parent)
  const target = [AT.FDCWD, bytes(path)] as const
  const [nearest] = upper
  if (nearest !== undefined) {
    const source = native.openat(AT.FDCWD, bytes(nearest), O.RDONLY | O.DIRECTORY)
    try {
      const rename = (name: string) => (marks.isMark(name) ? undefined : name)
      copyMetadata(native, [source, ITSELF], target, native.fstat(source), {
        keepOwner: true,
        rename,
      })
    } finally {
      native.close(source)
    }
  } else if (image !== undefined) {
    const { root } = await readImageHead(home, image)
    native.fchownat(...target, root.uid, root.gid)
    for (const [name, value] of root.xattrs) native.setxattr(...target, bytes(name), value)
    native.fchmodat(...target, root.mode)
    const time = BigInt(root.mtime.sec) * 1_000_000_000n + BigInt(root.mtime.nsec)
    native.utimensat(...target, time, time)
  }
}

/** Makes the kernel's own directory beside it. */
export function makeWork(home: Home, id: CacheID): Promise<void> {
  return makeDirectory(join(home.layer(id), 'work'), 0o700)
}

/** Whatever the umask. */
async function makeDirectory(path: string, mode: number): Promise<void> {
  await mkdir(path, mode)
  await chmod(path, mode)
}

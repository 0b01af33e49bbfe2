import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unsupported } from '@varve/overlayfs'
import { layersIn, writeSynced } from '@varve/trees'
import type { Home } from './home.ts'

/** Which attributes the layers of a home are marked with: `user.overlay.…` or `trusted.overlay.…`. */
type Kind = 'user' | 'trusted'

/**
 * What is written down about a home: a root who took the marks of an ordinary user's layers for plain
 * attributes would show files that are hidden.
 *
 * @returns undefined if nothing says it, since there are no layers yet
 */
export async function homeMarks(home: Home): Promise<Kind | undefined> {
  try {
    return (await readFile(join(home.root, 'marks'), 'utf8')).trim() === 'user' ? 'user' : 'trusted'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  // Those of Docker.
  return (await layersIn(home.root)).length > 0 ? 'trusted' : undefined
}

/** Writes it down for all who come later. @throws LayerError `ERR_NOT_SUPPORTED` if it is not so */
export async function settleMarks(
  home: Home,
  known: Kind | undefined,
  userxattr: boolean,
): Promise<void> {
  if (known === undefined && home.writable) {
    await writeSynced(join(home.root, 'marks'), userxattr ? 'user\n' : 'trusted\n', 0o600)
  }
  if (known === 'trusted' && userxattr) {
    throw unsupported(
      'its layers have marks of root, which a user namespace does not see',
      undefined,
      'Open it as root, or choose a root of your own',
    )
  }
}

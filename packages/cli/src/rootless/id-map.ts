import { access, constants, readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'

/** `count` ids from `inside` on, as the namespace sees them, are those from `outside` on. */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** Which ids a user namespace has. */
export interface IdMap {
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
  /** Why there is only one id; undefined if there are more. */
  readonly why: string | undefined
}

/** Who asks, and where it is written what he may have. */
export interface IdSource {
  readonly uid: number
  readonly gid: number
  /** As `subuid` and `subgid` name users; by his number also if he has no name. */
  readonly name: string
  /** Directory of `subuid` and `subgid`; undefined to do without. */
  readonly etc: string | undefined
}

/** Who runs this process. */
export function thisUser(): IdSource {
  const uid = process.getuid?.() ?? 0
  return { uid, gid: process.getgid?.() ?? 0, name: userName(uid), etc: '/etc' }
}

/**
 * The user himself as root, and behind that all ids that the administrator gave him: in `subuid` and
 * `subgid` (subuid(5)), if there are the programs that may map them.
 */
export async function idMapOf(user: IdSource): Promise<IdMap> {
  const single: Omit<IdMap, 'why'> = {
    uids: [{ inside: 0, outside: user.uid, count: 1 }],
    gids: [{ inside: 0, outside: user.gid, count: 1 }],
  }
  if (user.etc === undefined) return { ...single, why: 'no more were wanted' }
  const [subuid, subgid] = [join(user.etc, 'subuid'), join(user.etc, 'subgid')]
  const uids = await rangesIn(subuid, user)
  if (uids.length === 0) return { ...single, why: `${subuid} has none for ${user.name}` }
  const gids = await rangesIn(subgid, user)
  if (gids.length === 0) return { ...single, why: `${subgid} has none for ${user.name}` }
  for (const program of ['newuidmap', 'newgidmap']) {
    if (await isInstalled(program)) continue
    return { ...single, why: `${program} is not installed (package uidmap)` }
  }
  return {
    uids: [...single.uids, ...uids],
    gids: [...single.gids, ...gids],
    why: undefined,
  }
}

/** How many ids there are. */
export function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0)
}

/** The ranges as newuidmap(1) takes them, and `/proc/<pid>/uid_map`. */
export function mapWords(ranges: readonly IdRange[]): string[] {
  return ranges.flatMap(({ inside, outside, count }) => [inside, outside, count].map(String))
}

/** Whether a program is on the path. */
export async function isInstalled(program: string): Promise<boolean> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    try {
      await access(join(directory, program), constants.X_OK)
      return true
    } catch {
      // Then in the next one.
    }
  }
  return false
}

/** Lines are `name:start:count`; the name may be the user's number. */
async function rangesIn(file: string, { uid, name }: IdSource): Promise<IdRange[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const ranges: IdRange[] = []
  let inside = 1
  for (const line of text.split('\n')) {
    const [who, start, length] = line.trim().split(':')
    if (who !== name && who !== String(uid)) continue
    const [outside, count] = [Number(start), Number(length)]
    if (!Number.isInteger(outside) || !Number.isInteger(count) || outside < 0 || count < 1) continue
    ranges.push({ inside, outside, count })
    inside += count
  }
  return ranges
}

function userName(uid: number): string {
  try {
    return userInfo().username
  } catch {
    // No entry in the table of users.
    return String(uid)
  }
}

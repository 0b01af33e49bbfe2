import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { countIds, idMapOf, isInstalled, thisUser } from './id-map.ts'

/** What `varve info` tells about mounts, in words. */
export interface Possible {
  /** How this user gets mounts by overlay. */
  readonly overlay: string
  /** Whether there is what replaces the kernel's overlay where that refuses. */
  readonly fuseOverlayfs: boolean
}

/** Looks at what this user may do here; nothing is changed. */
export async function whatIsPossible(): Promise<Possible> {
  return { overlay: await overlayHere(), fuseOverlayfs: await isInstalled('fuse-overlayfs') }
}

async function overlayHere(): Promise<string> {
  if (process.platform !== 'linux') return 'no: only Linux has it'
  if (process.geteuid?.() === 0) return 'as you are root here'
  // The system's settings are many; whether they let somebody in is quickly tried.
  const { status } = spawnSync('unshare', ['--user', '--mount', 'true'], { stdio: 'ignore' })
  if (status !== 0) return 'no: the system lets you into no user namespace'
  const { uids, gids, why } = await idMapOf(thisUser())
  const ids = why
    ? `with your own id alone (${why})`
    : `with ${countIds(uids)} users and ${countIds(gids)} groups`
  return `by varve unshare, ${ids}`
}

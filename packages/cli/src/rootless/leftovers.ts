import { readdir, readFile, readlink } from 'node:fs/promises'
import process from 'node:process'

const FUSE = 'fuse-overlayfs'

/** Which user namespace a process is in. */
export function namespaceOf(pid: number): Promise<string> {
  return readlink(`/proc/${pid}/ns/user`)
}

/**
 * Ends processes of fuse-overlayfs that are all that is left of a namespace: nobody sees their mounts
 * any more, and nothing else would ever end them. The kernel's own mounts go by themselves.
 */
export async function endLeftovers(namespace: string): Promise<void> {
  const left: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const pid = Number(name)
    try {
      if ((await namespaceOf(pid)) !== namespace) continue
      const comm = await readFile(`/proc/${pid}/comm`, 'utf8')
      if (comm.trim() !== FUSE) return
      left.push(pid)
    } catch {
      // It has ended by now, or is somebody else's.
    }
  }
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGTERM')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

/**
 * A directory in memory for disks, and everything that is mounted in it or attached to files in
 * it, taken away together: also what a test run that was killed left.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const HOME = '/dev/shm'
const PREFIX = 'varve-power-'

/** Runs a program; what it says on stderr is in the error's message. */
export function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
}

/** A directory of this process, gone when disposed of. */
export interface Scratch extends Disposable {
  readonly path: string
}

/** Makes a directory, and first takes away those of processes that are dead. */
export function openScratch(): Scratch {
  for (const name of readdirSync(HOME)) {
    const pid = new RegExp(`^${PREFIX}([0-9]+)-`).exec(name)?.[1]
    if (pid && !existsSync(`/proc/${pid}`)) clearAway(join(HOME, name))
  }
  const path = mkdtempSync(join(HOME, `${PREFIX}${process.pid}-`))
  return { path, [Symbol.dispose]: () => clearAway(path) }
}

/** The last mount first; a FUSE server ends when its directory is unmounted. */
function clearAway(path: string): void {
  for (const point of mountPointsIn(path).reverse()) unmount(point)
  for (const device of loopDevicesOn(path)) run('losetup', '-d', device)
  for (const point of mountPointsIn(path).reverse()) unmount(point)
  rmSync(path, { recursive: true, force: true })
}

function mountPointsIn(path: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${path}/`))
}

function loopDevicesOn(path: string): string[] {
  const { loopdevices = [] } = JSON.parse(
    run('losetup', '--list', '--json', '-O', 'NAME,BACK-FILE') || '{}',
  ) as { loopdevices?: { name: string; 'back-file': string | null }[] }
  return loopdevices
    .filter((device) => device['back-file']?.startsWith(`${path}/`))
    .map((device) => device.name)
}

/** Unmounts; if something keeps it busy, as soon as that ends. */
export function unmount(point: string): void {
  try {
    run('umount', point)
  } catch {
    run('umount', '-l', point)
  }
}

/** On what is measured, and with which tools. */
import { cpus, release, totalmem } from 'node:os'
import { run } from '../../interop/run.ts'

/** What the measured file system is; the figures mean nothing on one without a journal. */
export async function fileSystemOf(dir: string): Promise<string> {
  const [type = '', source = ''] = (await run('findmnt', ['-no', 'FSTYPE,SOURCE', '--target', dir]))
    .trim()
    .split(/\s+/)
  return source.startsWith('/dev/loop') ? `${type} on a loop device` : type
}

/** Says how far a bench is, where it does not get into the way of its tables. */
export function tell(what: string): void {
  console.error(`${new Date().toTimeString().slice(0, 8)} ${what}`)
}

/** Whether a program is there. */
export async function isInstalled(program: string): Promise<boolean> {
  return await run('which', [program]).then(
    () => true,
    () => false,
  )
}

/**
 * Says when, on what and beside whom was measured.
 *
 * @param programs peers, whose versions matter
 * @param how the figures came to be
 */
export async function facts(
  dir: string,
  programs: readonly string[],
  how: string,
): Promise<string> {
  const versions: string[] = []
  for (const program of programs) versions.push(await versionOf(program))
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${cpus().length} cores`,
    `(${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 1e9)} GB, Linux ${/^[\d.]+/.exec(release())?.[0]},`,
    `${await fileSystemOf(dir)}; Node ${process.version},`,
    `${versions.join(',\n')}.`,
    how,
  ].join('\n')
}

async function versionOf(program: string): Promise<string> {
  if (!(await isInstalled(program))) return `no ${program}`
  return (await run(program, ['--version'])).split('\n')[0] ?? program
}

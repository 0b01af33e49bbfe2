/** A real root file system: Debian's, by debootstrap, from the mirror that apt uses here. */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { run } from './run.ts'

/**
 * Makes the root file system once and keeps it for later runs.
 *
 * @param dir where it goes; if it is there, nothing is done
 * @param include packages beside the minimal set
 */
export async function debianRoot(dir: string, include: readonly string[] = []): Promise<string> {
  if (existsSync(dir)) return dir
  await mkdir(dirname(dir), { recursive: true })
  const { mirror, suite } = await mirrorOfApt()
  const making = `${dir}.making`
  await rm(making, { recursive: true, force: true })
  const extra = include.length > 0 ? [`--include=${include.join(',')}`] : []
  await run('debootstrap', ['--variant=minbase', ...extra, suite, making, mirror])
  await rename(making, dir)
  return dir
}

async function mirrorOfApt(): Promise<{ mirror: string; suite: string }> {
  const targets = await run('apt-get', [
    'indextargets',
    '--format',
    '$(SITE) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ])
  for (const line of targets.split('\n')) {
    const [mirror, suite, component] = line.split(' ')
    if (mirror && suite && component === 'main' && /^[a-z]+$/.test(suite)) return { mirror, suite }
  }
  throw new Error(`Cannot find the mirror of apt in: ${targets}`)
}

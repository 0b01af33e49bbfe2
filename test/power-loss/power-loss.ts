import { execFileSync } from 'node:child_process'
import { openSys, type Sys } from '@varve/sys'
import type { FileSystem } from './file-systems.ts'
import { judge } from './judge.ts'
import { type Entry, expectationAfter, NOTHING } from './ledger.ts'
import { randomFrom } from './random.ts'
import { record } from './recorder.ts'
import { type Replayed, type ReplayOptions, replay } from './replay.ts'
import { openScratch } from './scratch.ts'
import { runWorkload, type Trees } from './workload.ts'

/** Why this cannot run here; undefined if it can. In CI it is run, whatever is missing. */
export function whyNot(): string | undefined {
  if (process.env.CI) return undefined
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  const needed = ['gcc', 'pkg-config', 'losetup', 'mkfs.ext4', 'mkfs.xfs', 'mkfs.btrfs', 'btrfs']
  try {
    execFileSync('sh', ['-c', `test -c /dev/fuse && command -v ${needed.join(' && command -v ')}`])
    execFileSync('pkg-config', ['--exists', 'fuse3'])
    return undefined
  } catch {
    return 'needs /dev/fuse, gcc, libfuse3-dev, pkg-config, xfsprogs, btrfs-progs'
  }
}

/** How much to try, and of what. */
export interface LosePowerOptions extends ReplayOptions {
  /** The system that the store works with. */
  readonly sys: Sys
  /** The system that it is judged with, if that is another. */
  readonly sysAfter?: Sys
}

/** Records one run of the workload on a file system, then loses power in many ways. */
export async function losePower(
  fileSystem: FileSystem,
  seed: number,
  options: LosePowerOptions,
): Promise<Replayed> {
  const { sys, sysAfter = sys } = options
  using scratch = openScratch()
  let trees: Trees = {}
  const recording = await record(scratch, fileSystem, seed, async (directory, mark) => {
    const write = (entry: Entry): void => mark(JSON.stringify(entry))
    trees = await runWorkload(directory, sys, seed, write)
  })
  const later = afterRestart(sysAfter)
  return await replay(scratch, fileSystem, recording, randomFrom(seed), options, (dir, marks) => {
    const entries = marks.map((text) => JSON.parse(text) as Entry)
    return judge(dir, later, entries.reduce(expectationAfter, NOTHING), trees)
  })
}

/** The system as it is once the machine has started again. */
function afterRestart(sys: Sys): Sys {
  return { ...sys, bootId: async () => 'after-the-power-loss' }
}

/** A system whose syncs do nothing: what a store would be that did not care. */
export function carelessSys(): Sys {
  return { ...openSys(), syncDirectory: async () => undefined, syncFileSystem: async () => true }
}

import { type ChildProcess, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { END, START } from './block-log.ts'
import type { FileSystem } from './file-systems.ts'
import { run, type Scratch, unmount } from './scratch.ts'

const here = dirname(fileURLToPath(import.meta.url))

/** How long a FUSE server may take to appear, on a machine with much other work. */
const DEADLINE_MS = 60_000
/** Longer than a commit of a journal, shorter than the write-back of data. */
const SETTLE_MS = 2500

/** A recording of what a disk took. */
export interface Recording {
  /** The disk as it was before. */
  readonly base: string
  readonly log: string
}

/** What runs on the recorded disk: a directory on it, and where to write acknowledgements. */
export type Recorded = (directory: string, mark: (text: string) => void) => Promise<void>

/**
 * Makes a file system on a disk that logs everything, and records what `work` does on it, beside
 * a program that makes it commit its journal at random moments.
 */
export async function record(
  scratch: Scratch,
  fileSystem: FileSystem,
  seed: number,
  work: Recorded,
): Promise<Recording> {
  const at = (name: string): string => join(scratch.path, name)
  const [disk, base, log] = [at('disk.img'), at('base.img'), at('log')]
  writeFileSync(disk, '')
  truncateSync(disk, fileSystem.bytes)
  const [mkfs = '', ...args] = fileSystem.mkfs
  run(mkfs, ...args, disk)
  copySparsely(disk, base)

  const flags = ['-O2', '-Wall', '-D_FILE_OFFSET_BITS=64']
  const fuse = run('pkg-config', '--cflags', '--libs', 'fuse3').split(/\s+/)
  run('gcc', ...flags, join(here, 'blkrec.c'), '-o', at('blkrec'), ...fuse)
  run('gcc', ...flags, join(here, 'meddle.c'), '-o', at('meddle'))
  for (const name of ['fuse', 'mnt']) mkdirSync(at(name))

  const server = spawn(at('blkrec'), [disk, log, at('fuse'), '-f', '-s'], { stdio: 'ignore' })
  const ended = endOf(server)
  try {
    await until(() => existsSync(at('fuse/disk')), 'the FUSE server does not serve')
    const device = run('losetup', '-f', '--show', at('fuse/disk'))
    run('mount', '-t', fileSystem.name, '-o', fileSystem.mountOptions, device, at('mnt'))
    const store = at('mnt/store')
    mkdirSync(store)
    run('sync', '-f', store)
    const marks = openSync(at('fuse/mark'), 'w')
    try {
      writeSync(marks, START)
      await meddling(at('meddle'), at('mnt/other'), seed, () =>
        work(store, (text) => writeSync(marks, text)),
      )
      await sleep(SETTLE_MS)
      writeSync(marks, END)
    } finally {
      closeSync(marks)
    }
    unmount(at('mnt'))
    run('losetup', '-d', device)
  } finally {
    // If something failed, the scratch directory takes away what is still mounted.
    if (existsSync(at('fuse/disk'))) unmount(at('fuse'))
    await ended
  }
  return { base, log }
}

/** Copies a disk image without its holes. */
export function copySparsely(from: string, to: string): void {
  run('cp', '--sparse=always', from, to)
}

async function meddling(
  program: string,
  file: string,
  seed: number,
  work: () => Promise<void>,
): Promise<void> {
  const meddler = spawn(program, [file, String(seed)], { stdio: 'ignore' })
  const ended = endOf(meddler)
  try {
    await work()
    if (meddler.exitCode !== null) throw new Error('the meddler gave up')
  } finally {
    meddler.kill('SIGKILL')
    await ended
  }
}

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('close', () => resolve())
    child.once('error', reject)
  })
}

async function until(condition: () => boolean, otherwise: string): Promise<void> {
  for (const start = Date.now(); !condition(); ) {
    if (Date.now() - start > DEADLINE_MS) throw new Error(otherwise)
    await sleep(10)
  }
}

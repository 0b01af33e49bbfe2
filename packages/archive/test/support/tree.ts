import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { type AppliedLayer, type ApplyOptions, applyLayer, type Resolver } from '@varve/archive'
import { AT, openSys } from '@varve/sys'
import { onTestFinished, test } from 'vitest'
import { type Made, makeTar } from './make-tar.ts'

export const isRoot: boolean = process.geteuid?.() === 0
export const sys = openSys()

const anywhere = process.env.CI !== undefined
/** A test that needs root and FFI; skipped without, except where it must not be. */
export const rootTest: typeof test = test.skipIf(
  !(isRoot && sys.native) && !anywhere,
) as typeof test
/** A test that needs FFI. */
export const ffiTest: typeof test = test.skipIf(!sys.native && !anywhere) as typeof test

/** Every way of finding directories that this runtime has. */
export const resolvers: readonly Resolver[] = (
  ['openat2', 'walk', 'procfd', 'paths'] as const
).filter((resolver) => {
  const root = fs.mkdtempSync(join(os.tmpdir(), 'varve-archive-'))
  try {
    return opens(root, resolver)
  } catch {
    return false
  } finally {
    fs.rmdirSync(root)
  }
})

function opens(root: string, resolver: Resolver): boolean {
  if (resolver === 'paths') return true
  if (resolver === 'procfd') {
    const fd = fs.openSync(root, fs.constants.O_DIRECTORY)
    try {
      return fs.statSync(`/proc/self/fd/${fd}/.`).ino === fs.statSync(root).ino
    } finally {
      fs.closeSync(fd)
    }
  }
  return sys.native !== undefined && (resolver === 'walk' || sys.native.hasOpenat2)
}

/** A new directory, gone when the test is over. */
export function tempDir(): string {
  const path = fs.mkdtempSync(join(os.tmpdir(), 'varve-archive-'))
  onTestFinished(() => fs.rmSync(path, { recursive: true, force: true }))
  return path
}

/** Applies entries; the default tree is new. */
export async function apply(
  entries: readonly Made[],
  options: ApplyOptions & { readonly on?: string } = {},
): Promise<
  AppliedLayer & { readonly root: string; path(name: string): string; read(name: string): string }
> {
  const { on, ...rest } = options
  const root = on ?? tempDir()
  const applied = await applyLayer(root, [makeTar(...entries)], { sys, ...rest })
  return Object.assign(applied, {
    root,
    path: (name: string) => join(root, name),
    read: (name: string) => fs.readFileSync(join(root, name), 'utf8'),
  })
}

/** Fills a tree as a lower layer would. */
export function lower(files: Readonly<Record<string, string | null>>): string {
  const root = tempDir()
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name)
    if (content === null) {
      fs.mkdirSync(path, { recursive: true })
      continue
    }
    fs.mkdirSync(join(path, '..'), { recursive: true })
    if (content.startsWith('-> ')) fs.symlinkSync(content.slice(3), path)
    else fs.writeFileSync(path, content)
  }
  return root
}

/** All paths in a tree, sorted; directories end in a slash. */
export function list(root: string, beneath = ''): string[] {
  const names: string[] = []
  for (const entry of fs.readdirSync(join(root, beneath), { withFileTypes: true })) {
    const path = join(beneath, entry.name)
    if (entry.isDirectory()) names.push(`${path}/`, ...list(root, path))
    else names.push(path)
  }
  return names.sort()
}

/** The code of what was thrown. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error)
  }
  return 'no error'
}

/** Mode without the type. */
export function modeOf(path: string): number {
  return fs.lstatSync(path).mode & 0o7777
}

/** Applies under another file mode mask, in a process of its own: threads share it. */
export function applyUnderMask(mask: string, entries: readonly Made[]): string {
  const root = tempDir()
  const child = join(import.meta.dirname, '../children/apply.ts')
  const words = 'Deno' in globalThis ? ['run', '-A'] : []
  const command = [process.execPath, ...words, '--conditions=@varve/source', child, root]
  execFileSync('sh', ['-c', 'umask "$0"; exec "$@"', mask, ...command], {
    input: makeTar(...entries),
  })
  return root
}

/** Times as the system has them; not every runtime's `node:fs` tells them exactly. */
export function timesNs(path: string): { readonly atimeNs: bigint; readonly mtimeNs: bigint } {
  const stat = sys.native?.statIfAny(AT.FDCWD, Buffer.from(path))
  return stat ?? fs.lstatSync(path, { bigint: true })
}

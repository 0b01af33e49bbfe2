import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { canMount, place } from './place.ts'

/** How a file system with project quota is made, and mounted with it. */
const KINDS = {
  ext4: {
    mkfs: ['mkfs.ext4', '-q', '-O', 'quota,project', '-E', 'quotatype=prjquota'],
    option: 'prjquota',
  },
  xfs: { mkfs: ['mkfs.xfs', '-q'], option: 'pquota' },
} as const

/** As small as mkfs.xfs makes one. */
const BYTES = 320 * 2 ** 20

/**
 * A new file system with project quota, gone at the end of the scope.
 *
 * @throws if the kernel has none, or mkfs is not installed
 */
export function quotaPlace(kind: keyof typeof KINDS): AsyncDisposable & { readonly path: string } {
  const dir = place()
  const { mkfs, option } = KINDS[kind]
  const [image, path] = [join(dir.path, 'image'), join(dir.path, 'mount')]
  try {
    fs.mkdirSync(path)
    fs.closeSync(fs.openSync(image, 'w'))
    fs.truncateSync(image, BYTES)
    const [program, ...args] = mkfs
    execFileSync(program, [...args, image], { stdio: 'pipe' })
    execFileSync('mount', ['-o', `loop,${option}`, image, path], { stdio: 'pipe' })
  } catch (error) {
    fs.rmSync(dir.path, { recursive: true })
    throw error
  }
  return { path, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() }
}

/** Why there can be none here; undefined if there can. */
export async function whyNoQuota(kind: keyof typeof KINDS): Promise<string | undefined> {
  if (!canMount) return 'only root may mount'
  try {
    await using _place = quotaPlace(kind)
    return undefined
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? error).split('\n')[0]
  }
}

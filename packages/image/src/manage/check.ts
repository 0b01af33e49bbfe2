import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { checkAborted, type Digest, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { unneededBlobs } from '../disk/blobs.ts'
import { chainsOf, listImageIDs, readConfig } from '../disk/config-files.ts'
import { ensureDirectory } from '../disk/files.ts'
import type { ImageFiles, Work } from '../disk/image-files.ts'
import type { ImageCheckOptions, ImageProblem } from '../types/condition.ts'

/** A problem, and what does away with it, if anything does. */
interface Finding extends Omit<ImageProblem, 'repaired'> {
  readonly repair: (() => Promise<unknown>) | undefined
}

/** See `ImageStore.check`. */
export async function* checkImages(
  ctx: ImageContext,
  options: ImageCheckOptions = {},
): AsyncGenerator<ImageProblem> {
  const { files } = ctx
  const attempt = 'Cannot check images'
  await using work = options.repair ? await files.work() : undefined
  // Later checks see what earlier repairs left, so one after the other, each under the lock.
  for (const look of [checkConfigs, checkTags, checkBlobs]) {
    checkAborted(options.signal, attempt)
    const problems = await files.exclusively(async () => {
      const done: ImageProblem[] = []
      for await (const { repair, ...problem } of look(ctx, options, work)) {
        checkAborted(options.signal, attempt)
        const repaired = options.repair === true && repair !== undefined
        if (repaired) await repair()
        done.push({ ...problem, repaired })
      }
      return done
    }, options.signal)
    yield* problems
  }
}

async function* checkConfigs({ files, store }: ImageContext): AsyncGenerator<Finding> {
  for (const id of await listImageIDs(files.paths)) {
    const config = await faultOf(() => readConfig(files.paths, id))
    if (config.fault !== undefined) {
      const repair = () => setAside(files, files.paths.config(id))
      yield { kind: 'damaged-config', subject: id, message: config.fault, repair }
      continue
    }
    for (const chain of chainsOf(config.value.config)) {
      if (await store.has(chain)) continue
      const message = `Layer ${chain} of image ${id} is missing; load the image again`
      yield { kind: 'missing-layer', subject: id, message, repair: undefined }
    }
    const manifest = await faultOf(() => files.manifest(id))
    if (manifest.fault !== undefined) {
      const repair = () => setAside(files, files.paths.manifest(id))
      yield { kind: 'damaged-manifest', subject: id, message: manifest.fault, repair }
    }
  }
}

async function* checkTags(
  { files }: ImageContext,
  _options: ImageCheckOptions,
  work: Work | undefined,
): AsyncGenerator<Finding> {
  const { repositories } = files.paths
  const table = await faultOf(() => files.tags())
  if (table.fault !== undefined) {
    const repair = () => setAside(files, repositories)
    yield { kind: 'damaged-tags', subject: repositories, message: table.fault, repair }
    return
  }
  const ids: readonly string[] = await listImageIDs(files.paths)
  for (const [name, target] of table.value.entries()) {
    if (ids.includes(target)) continue
    const message = `Tag ${name} points to ${JSON.stringify(target)}, which is no image here`
    const repair = async () => {
      table.value.delete(name)
      if (work) await files.writeTags(work, table.value)
    }
    yield { kind: 'dangling-tag', subject: name, message, repair }
  }
}

async function* checkBlobs(
  { files }: ImageContext,
  { full = false }: ImageCheckOptions,
): AsyncGenerator<Finding> {
  const unneeded = new Set<Digest>()
  for (const { digest } of await unneededBlobs(files)) {
    unneeded.add(digest)
    const repair = () => files.removeBlob(digest)
    yield { kind: 'unreferenced-blob', subject: digest, message: `No image needs it`, repair }
  }
  const sizes = await sizesInManifests(files)
  for (const digest of await files.blobs()) {
    if (unneeded.has(digest)) continue
    const message = await faultOfBlob(files, digest, sizes.get(digest), full)
    if (message === undefined) continue
    yield { kind: 'damaged-blob', subject: digest, message, repair: () => files.removeBlob(digest) }
  }
}

async function sizesInManifests(files: ImageFiles): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>()
  for (const id of await listImageIDs(files.paths)) {
    const manifest = await faultOf(() => files.manifest(id))
    if (manifest.fault !== undefined) continue
    for (const { digest, size } of manifest.value?.manifest.layers ?? []) sizes.set(digest, size)
  }
  return sizes
}

async function faultOfBlob(
  files: ImageFiles,
  digest: Digest,
  expected: number | undefined,
  full: boolean,
): Promise<string | undefined> {
  const size = await files.blobSize(digest)
  if (expected !== undefined && size !== expected) {
    return `Blob ${digest} has ${size} bytes, not ${expected}`
  }
  if (!full) return undefined
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(files.paths.blob(digest))) hash.update(chunk)
  const actual = `sha256:${hash.digest('hex')}`
  return actual === digest ? undefined : `The bytes of blob ${digest} are those of ${actual}`
}

/** Moves a file out of the way; nothing is deleted. */
async function setAside({ sys, paths }: ImageFiles, path: string): Promise<void> {
  const aside = join(paths.own, 'damaged')
  await ensureDirectory(sys, aside)
  await rename(path, join(aside, `${basename(path)}-${randomBytes(6).toString('hex')}`))
  await sys.syncDirectory(aside)
}

type Outcome<T> =
  | { readonly fault: undefined; readonly value: T }
  | { readonly fault: string; readonly value?: undefined }

async function faultOf<T>(read: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { fault: undefined, value: await read() }
  } catch (error) {
    const isDamage =
      LayerError.is(error, 'ERR_CORRUPT_METADATA') || LayerError.is(error, 'ERR_LIMIT_EXCEEDED')
    if (isDamage) return { fault: error.message }
    throw error
  }
}

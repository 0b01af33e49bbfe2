import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve as resolvePath } from 'node:path'
import { cleanUp, LayerError, toStream, wrapError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { isAbsence, writeAll } from '../disk/files.ts'
import type { ArchiveOptions, SavedImage, SaveOptions } from '../types/transfer.ts'
import { imageFiles } from './image-writer.ts'
import { tarOf } from './tar-writer.ts'

/** See `ImageStore.archive`. */
export function archive(
  ctx: ImageContext,
  refs: readonly string[],
  options: ArchiveOptions = {},
): ReadableStream<Uint8Array> {
  return toStream(archiveBytes(ctx, refs, options, () => undefined))
}

async function* archiveBytes(
  ctx: ImageContext,
  refs: readonly string[],
  options: ArchiveOptions,
  onSaved: (saved: readonly SavedImage[]) => void,
): AsyncGenerator<Uint8Array> {
  await using work = await ctx.files.work()
  const format = options.format ?? 'docker-archive'
  yield* tarOf(imageFiles(ctx, work, refs, format, options), onSaved)
}

/** See `ImageStore.save`. */
export async function save(
  ctx: ImageContext,
  refs: readonly string[],
  to: string,
  { format = 'docker-archive', ...options }: SaveOptions = {},
): Promise<readonly SavedImage[]> {
  try {
    return format === 'oci-layout'
      ? await saveDirectory(ctx, refs, to, options)
      : await saveFile(ctx, refs, to, { ...options, format })
  } catch (error) {
    throw wrapError(error, `Cannot save to ${to}`, { path: to })
  }
}

async function saveFile(
  ctx: ImageContext,
  refs: readonly string[],
  to: string,
  options: ArchiveOptions,
): Promise<readonly SavedImage[]> {
  const info = await statIfThere(to)
  if (info?.isDirectory()) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot save to ${to}: it is a directory`, {
      hint: 'Name a file, or choose the format oci-layout',
    })
  }
  const write = async (file: FileHandle): Promise<readonly SavedImage[]> => {
    let saved: readonly SavedImage[] = []
    const bytes = archiveBytes(ctx, refs, options, (result) => {
      saved = result
    })
    for await (const chunk of bytes) await writeAll(file, chunk)
    return saved
  }
  if (info && !info.isFile()) {
    // A pipe or device is written to; a file is replaced when the new one is complete.
    await using file = await open(to, 'w')
    return await write(file)
  }
  const temporary = temporaryBeside(to)
  try {
    await using file = await open(temporary, 'wx', 0o644)
    const saved = await write(file)
    await rename(temporary, to)
    return saved
  } catch (error) {
    throw await cleanUp(error, () => rm(temporary, { force: true }))
  }
}

async function saveDirectory(
  ctx: ImageContext,
  refs: readonly string[],
  to: string,
  options: ArchiveOptions,
): Promise<readonly SavedImage[]> {
  const info = await statIfThere(to)
  if (info && !(info.isDirectory() && (await readdir(to)).length === 0)) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot save to ${to}: it exists already`, {
      hint: 'Name a directory that is empty or not there yet',
    })
  }
  const temporary = temporaryBeside(to)
  await using work = await ctx.files.work()
  const files = imageFiles(ctx, work, refs, 'oci-layout', options)
  try {
    await mkdir(join(temporary, 'blobs', 'sha256'), { recursive: true })
    for (;;) {
      const next = await files.next()
      if (next.done) {
        await rename(temporary, to)
        return next.value
      }
      await using file = await open(join(temporary, ...next.value.name.split('/')), 'wx', 0o644)
      for await (const chunk of next.value.open()) await writeAll(file, chunk)
    }
  } catch (error) {
    throw await cleanUp(
      error,
      () => files.return([]),
      () => rm(temporary, { recursive: true, force: true }),
    )
  }
}

/** A hidden name beside the target, hence on the same file system. */
function temporaryBeside(path: string): string {
  const full = resolvePath(path)
  return join(dirname(full), `.${basename(full)}.${randomBytes(6).toString('hex')}`)
}

async function statIfThere(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

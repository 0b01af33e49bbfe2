import { LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { familiarName, parseReference } from '../reference.ts'
import { resolve } from './resolve.ts'

/** See `ImageStore.tag`. */
export async function tagImage({ files }: ImageContext, ref: string, tag: string): Promise<string> {
  const name = toPlainTag(tag)
  await using work = await files.work()
  return await files.exclusively(async () => {
    const table = await files.tags()
    const { id } = await resolve(files, table, ref)
    const reference = parseReference(name)
    if (table.get(reference) === id) return name
    table.set(reference, id)
    await files.writeTags(work, table)
    await files.writeMetadata(work, id, 'lastUpdated', new Date().toISOString())
    return name
  })
}

/** A tag that a user gave. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function toPlainTag(tag: string): string {
  const reference = parseReference(tag)
  if (reference.digest === undefined) return familiarName(reference)
  throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use ${tag} as a tag: it has a digest`)
}

/** See `ImageStore.untag`. */
export async function untagImage({ files }: ImageContext, tag: string): Promise<string> {
  const name = familiarName(parseReference(tag))
  await using work = await files.work()
  return await files.exclusively(async () => {
    const table = await files.tags()
    if (!table.delete(name)) {
      throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find the tag ${name}`, { data: { tag } })
    }
    await files.writeTags(work, table)
    return name
  })
}

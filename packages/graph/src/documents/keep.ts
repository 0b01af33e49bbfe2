import { join } from 'node:path'
import { wrapError } from '@varve/core'
import type { GraphContext } from '../context.ts'
import { isThere, replaceFile } from '../disk/files.ts'
import { notFound } from '../disk/image-file.ts'

/** Replaces one of an image's files, whole or not at all. Call it with the image's lock. */
export async function keepDocument(
  { layout, sys }: GraphContext,
  id: string,
  name: string,
  content: string | Uint8Array,
): Promise<void> {
  const directory = layout.image(id)
  if (!isThere(directory)) throw notFound(id)
  try {
    await replaceFile(sys, layout.tmp, join(directory, name), content)
  } catch (error) {
    throw wrapError(error, `Cannot write ${name} of image ${id}`)
  }
}

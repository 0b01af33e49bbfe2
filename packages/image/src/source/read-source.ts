import { LayerError } from '@varve/core'
import { readDockerArchive } from './docker-archive.ts'
import type { FileTree } from './file-tree.ts'
import { type LayoutOptions, readLayout } from './oci-layout.ts'
import type { SourceImage } from './source-image.ts'
import { readV1Archive, v1Directories } from './v1-archive.ts'

/**
 * The images of a tree, whichever form it has. A tree of both forms is read as a docker-archive,
 * as Docker does, so that nobody is shown another image than Docker shows.
 *
 * @throws LayerError as `ImageStore.load`
 */
export async function readSource(
  tree: FileTree,
  options: LayoutOptions,
): Promise<readonly SourceImage[]> {
  const has = async (name: string): Promise<boolean> => (await tree.size(name)) !== undefined
  const images = await readEither()
  if (images.length > 0) return images
  throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot read ${tree.label}: there is no image in it`)

  async function readEither(): Promise<readonly SourceImage[]> {
    if (await has('manifest.json')) return await readDockerArchive(tree, options)
    if ((await has('index.json')) || (await has('oci-layout'))) {
      return await readLayout(tree, options)
    }
    if ((await has('repositories')) || (await v1Directories(tree)).length > 0) {
      return await readV1Archive(tree, options)
    }
    throw new LayerError(
      'ERR_INVALID_IMAGE',
      `Cannot read ${tree.label}: it is neither a docker-archive nor an OCI image layout`,
      { hint: 'It has neither manifest.json nor index.json, nor images of Docker before 1.10' },
    )
  }
}

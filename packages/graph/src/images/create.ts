import { type ByteSource, callOptions, newCacheID } from '@varve/core'
import { hostPlatform, type V1Image } from '@varve/image'
import type { GraphContext } from '../context.ts'
import type { CreateOptions, GraphImage, GraphVersion } from '../types.ts'
import { register } from './register.ts'

/** The last release of each; Docker keeps or rewrites documents by it (see `configOfV1`). */
const DOCKER_VERSION: Readonly<Record<GraphVersion, string>> = { '1.7': '1.7.1', '1.9': '1.9.1' }

/** See `Graph.create`. */
export async function create(
  ctx: GraphContext,
  layer: ByteSource | undefined,
  options: CreateOptions = {},
): Promise<GraphImage> {
  const { comment, author, config, created = new Date() } = options
  const { architecture, os } = hostPlatform()
  const document: V1Image = {
    id: newCacheID(),
    ...(comment === undefined ? {} : { comment }),
    created: created.toISOString(),
    docker_version: options.dockerVersion ?? DOCKER_VERSION[ctx.version],
    ...(author === undefined ? {} : { author }),
    ...(config === undefined ? {} : { config }),
    architecture,
    os,
    ...containerOf(options),
  }
  return await register(ctx, document, layer, callOptions(options))
}

/** Only an image that was committed from a container stands on another. */
function containerOf(options: CreateOptions): Partial<V1Image> {
  const { containerID, containerImage, containerConfig } = options
  if (!containerID) return {}
  return {
    ...(containerImage ? { parent: containerImage } : {}),
    container: containerID,
    ...(containerConfig === undefined ? {} : { container_config: containerConfig }),
  }
}

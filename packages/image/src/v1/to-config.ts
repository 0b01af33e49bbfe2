import type { DiffID } from '@varve/core'
import type { HistoryEntry } from '../types/image.ts'
import { isRewritten, rewrittenFields } from './go-config.ts'
import { goTime } from './go-time.ts'
import { goJson, joinFields, rawFields } from './raw-json.ts'
import { parseV1Image, type V1Image } from './v1-image.ts'

/** A v1 image and its layer. */
export interface V1Step {
  /** The image's document, as it is on disk. */
  readonly json: Uint8Array
  readonly diffID: DiffID
}

/** What only a graph needs; moby `image/v1`, `MakeConfigFromV1Config`. */
const NOT_KEPT = ['id', 'parent', 'Size', 'parent_id', 'layer_id', 'throwaway'] as const

/**
 * The configuration of the image that a chain of v1 images makes: the top's own document, the
 * DiffIDs of all, and a step of history for each. It has the digest that Docker 1.10 and later give
 * the same image when they migrate or load it.
 *
 * @param steps base first, at least one
 * @throws LayerError `ERR_INVALID_IMAGE`, `ERR_LIMIT_EXCEEDED`
 *
 * @example
 * ```ts
 * import { EMPTY_DIFF_ID } from '@varve/core'
 * import { configOfV1 } from '@varve/image'
 *
 * const v1 = { id: 'ab'.repeat(32), docker_version: '1.9.1', container_config: { Cmd: ['true'] } }
 * const json = new TextEncoder().encode(JSON.stringify(v1))
 * const config = JSON.parse(new TextDecoder().decode(configOfV1([{ json, diffID: EMPTY_DIFF_ID }])))
 * console.assert(config.id === undefined && config.history[0].created_by === 'true')
 * ```
 */
export function configOfV1(steps: readonly V1Step[]): Uint8Array {
  const images = steps.map(({ json }) => parseV1Image(json, { what: 'a v1 image' }))
  const top = images.at(-1)
  const json = steps.at(-1)?.json
  if (!top || !json) throw new RangeError('an image has at least one layer')
  const fields = isRewritten(top) ? rewrittenFields(top) : rawFields(new TextDecoder().decode(json))
  for (const name of NOT_KEPT) fields.delete(name)
  const diffIDs = steps.map(({ diffID }) => diffID)
  fields.set('rootfs', goJson({ type: 'layers', diff_ids: diffIDs }))
  fields.set('history', goJson(images.map(historyOfV1)))
  return joinFields(fields)
}

/** The step of history that a v1 image is, its fields in the order of Docker's struct. */
function historyOfV1(image: V1Image): HistoryEntry {
  const { author, comment, container_config: config } = image
  const command = Array.isArray(config?.Cmd) ? config.Cmd.join(' ') : config?.Cmd
  return {
    created: goTime(image.created),
    ...(author ? { author } : {}),
    ...(typeof command === 'string' && command !== '' ? { created_by: command } : {}),
    ...(comment ? { comment } : {}),
  }
}

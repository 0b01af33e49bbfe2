import { chainIDOfStack, type DiffID, digestOf, hexOf } from '@varve/core'
import type { HistoryEntry, ImageConfig } from '../types/image.ts'
import { goTime } from './go-time.ts'
import { goJson, joinFields, rawFields } from './raw-json.ts'

/** A v1 image made of one layer of an image. */
export interface MadeV1Image {
  readonly id: string
  /** Id of the one beneath. */
  readonly parent: string | undefined
  /** Its document, as Docker 1.9 keeps it. */
  readonly json: Uint8Array
  readonly diffID: DiffID
}

/**
 * An image as the chain of v1 images that Docker up to 1.9 knows, one for each layer, base first.
 * Ids are digests of what they name (as moby's `image/v1`, `CreateID`, makes them), so an image
 * always becomes the same chain and two images share what they have in common.
 *
 * Steps of history without a layer have no place there, but for the environment and the like that
 * they left in the configuration.
 *
 * @example
 * ```ts
 * import { EMPTY_DIFF_ID } from '@varve/core'
 * import { configOfV1, v1ChainOf } from '@varve/image'
 *
 * const config = { os: 'linux', rootfs: { type: 'layers', diff_ids: [EMPTY_DIFF_ID] } }
 * const [only] = v1ChainOf(new TextEncoder().encode(JSON.stringify(config)), config)
 * console.assert(only?.parent === undefined && /^[a-f0-9]{64}$/.test(only?.id ?? ''))
 * ```
 */
export function v1ChainOf(
  configBytes: Uint8Array,
  config: Pick<ImageConfig, 'rootfs' | 'history'>,
): readonly MadeV1Image[] {
  const { diff_ids: diffIDs } = config.rootfs
  const steps = (config.history ?? []).filter((step) => step.empty_layer !== true)
  const chain: MadeV1Image[] = []
  for (const [index, diffID] of diffIDs.entries()) {
    const isTop = index === diffIDs.length - 1
    const parent = chain.at(-1)?.id
    const fields = isTop ? topFields(configBytes, steps[index]) : stepFields(steps[index])
    const layerID = chainIDOfStack(diffIDs.slice(0, index + 1))
    const named = new Map(fields).set('layer_id', goJson(layerID))
    if (parent !== undefined) named.set('parent', goJson(`sha256:${parent}`))
    const id = hexOf(digestOf(joinFields(named)))
    fields.set('id', goJson(id))
    if (parent !== undefined) fields.set('parent', goJson(parent))
    chain.push({ id, parent, json: joinFields(fields), diffID })
  }
  return chain
}

function topFields(configBytes: Uint8Array, step: HistoryEntry | undefined): Map<string, string> {
  const fields = rawFields(new TextDecoder().decode(configBytes))
  for (const name of ['rootfs', 'history', 'id', 'parent']) fields.delete(name)
  // What it was made by is told by the container's command here.
  for (const name of ['author', 'comment', 'container_config']) {
    const value = stepFields(step).get(name)
    if (value !== undefined && !fields.has(name)) fields.set(name, value)
  }
  return fields
}

function stepFields(step: HistoryEntry = {}): Map<string, string> {
  const { author, comment, created_by: command } = step
  const fields = new Map([['created', goJson(goTime(step.created))]])
  if (author) fields.set('author', goJson(author))
  if (comment) fields.set('comment', goJson(comment))
  if (command) fields.set('container_config', goJson({ Cmd: [command] }))
  return fields
}

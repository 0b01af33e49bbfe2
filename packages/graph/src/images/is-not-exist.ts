import { LayerError } from '@varve/core'

/**
 * Whether an error says that there is no image, or layer, of an id. Docker looked for words in the
 * message; here the code says it.
 */
export function isNotExist(error: unknown, id: string): boolean {
  const absent =
    LayerError.is(error, 'ERR_IMAGE_NOT_FOUND') || LayerError.is(error, 'ERR_LAYER_NOT_FOUND')
  return absent && (error.data.id === id || error.message.includes(id))
}

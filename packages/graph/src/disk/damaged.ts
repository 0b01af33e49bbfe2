import { LayerError } from '@varve/core'

/** What is on disk of an image contradicts the format. */
export function damaged(id: string, why: string, cause?: unknown): LayerError {
  return new LayerError('ERR_CORRUPT_METADATA', `Cannot read image ${id}: ${why}`, {
    cause,
    data: { id },
    hint: 'Delete the image, or register it again',
  })
}

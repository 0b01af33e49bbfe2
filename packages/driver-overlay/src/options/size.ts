import { LayerError } from '@varve/core'

/** As Docker reads sizes (go-units `RAMInBytes`): `10G`, `1.5 GiB`, `512m`, `4096b`, `4096`. */
const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(i?b)?$/i
const POWERS = 'kmgtp'

/**
 * A size in bytes.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT`
 */
export function parseSize(text: string): number {
  const [, number = '', unit = '', suffix = ''] = SIZE.exec(text.trim()) ?? []
  const power = unit === '' ? 0 : POWERS.indexOf(unit.toLowerCase()) + 1
  const bytes = Math.floor(Number(number) * 1024 ** power)
  const isSize = number !== '' && (unit !== '' || suffix.length !== 2)
  if (isSize && Number.isSafeInteger(bytes)) return bytes
  throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use size "${text}": it is no size`, {
    data: { size: text },
    hint: 'Write a number with a unit, as 10G or 512m',
  })
}

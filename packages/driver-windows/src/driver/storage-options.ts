import { LayerError } from '@varve/core'

/** Docker's size of a scratch layer when nobody says one (moby daemon/graphdriver/windows). */
export const DEFAULT_SIZE: bigint = 127n * 2n ** 30n

const UNITS = ['b', 'k', 'm', 'g', 't', 'p']

/**
 * The size of a scratch layer in bytes if one is asked for, by Docker's `size` option: a number and a unit, powers of
 * 1024 whether it says `G`, `GB` or `GiB` (docker/go-units `RAMInBytes`).
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` for other options, `ERR_INVALID_ARGUMENT` for no size
 */
export function sandboxSizeOf(options: Readonly<Record<string, string>> = {}): bigint | undefined {
  let size: bigint | undefined
  for (const [option, value] of Object.entries(options)) {
    if (option.toLowerCase() !== 'size') {
      throw new LayerError('ERR_NOT_SUPPORTED', `Cannot create layer: no option "${option}"`, {
        data: { option },
        hint: 'The only storage option of the Windows driver is size',
      })
    }
    size = parseSize(value)
  }
  return size
}

function parseSize(text: string): bigint {
  const [, number = '', unit = ''] =
    /^([0-9]{1,16}(?:\.[0-9]{1,6})?) ?(?:([kmgtp])(?:i?b)?|b)?$/.exec(text.toLowerCase()) ?? []
  const power = UNITS.indexOf(unit === '' ? 'b' : unit)
  const bytes = Math.floor(Number(number) * 1024 ** power)
  if (number === '' || bytes < 1 || !Number.isSafeInteger(bytes)) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot create layer: ${JSON.stringify(text)} is no size`,
      { data: { size: text }, hint: 'Give a size as 40G' },
    )
  }
  return BigInt(bytes)
}

import { LayerError } from '@varve/core'
import { cleanName } from '@varve/tar'
import { textOfName } from '../codec/tar-entries.ts'

/** What a name in a layer's tar means. */
export type LayerName =
  | { readonly kind: 'root' }
  /** A file, by its name from the layer's folder with backslashes. */
  | { readonly kind: 'file'; readonly path: string }
  /** `.wh.x`: the layer deletes `x`. */
  | { readonly kind: 'whiteout'; readonly path: string }
  /** `.wh..wh..opq`: the layer hides what lower ones have in this directory. */
  | { readonly kind: 'opaque'; readonly path: string }
  /** Other files of aufs, without a meaning. */
  | { readonly kind: 'ignored' }

const TOPS: ReadonlySet<string> = new Set(['Files', 'Hives', 'UtilityVM'])
const WHITEOUT = '.wh.'
/** In bytes; as for other layers. Windows' own limit is 32,767 characters. */
const LONGEST_NAME = 4095
/** In UTF-16 units (NTFS). */
const LONGEST_PART = 255
/** The OCI image specification's name for an opaque directory; others so prefixed are aufs' own. */
const OPAQUE = '.wh..wh..opq'
const META = '.wh..wh.'

/**
 * The meaning of a name in a layer's tar.
 *
 * @throws LayerError `ERR_UNSAFE_PATH` for one that leads out of `Files`, `Hives` and `UtilityVM` or
 *   would mean something else on Windows, `ERR_INVALID_TAR` if it is not UTF-8,
 *   `ERR_LIMIT_EXCEEDED` for a long one
 */
export function layerNameOf(raw: Uint8Array): LayerName {
  if (raw.length > LONGEST_NAME) throw tooLong(`${raw.length} bytes`)
  const name = textOfName(cleanName(raw))
  if (name === '.') {
    if (/(^|\/)\.\.(\/|$)/.test(textOfName(raw))) {
      throw unsafe(textOfName(raw), 'it leads out of the layer')
    }
    return { kind: 'root' }
  }
  const parts = name.split('/')
  if (name.startsWith('/')) throw unsafe(name, 'it is absolute')
  if (parts[0] === '..') throw unsafe(name, 'it leads out of the layer')
  if (/[\\:\0]/.test(name)) throw unsafe(name, 'it has a meaning of its own on Windows')
  if (!TOPS.has(parts[0] as string)) throw unsafe(name, 'it is not in Files, Hives or UtilityVM')
  const long = parts.find((part) => part.length > LONGEST_PART)
  if (long !== undefined) throw tooLong(`${long.length} characters between two slashes`)
  const last = parts.at(-1) as string
  const parent = parts.slice(0, -1).join('\\')
  if (!last.startsWith(WHITEOUT)) return { kind: 'file', path: parts.join('\\') }
  if (last === OPAQUE) return { kind: 'opaque', path: parent }
  if (last.startsWith(META)) return { kind: 'ignored' }
  const hidden = last.slice(WHITEOUT.length)
  if (hidden === '' || hidden === '.' || hidden === '..') throw unsafe(name, 'it hides nothing')
  if (!isDeletable(parent)) throw unsafe(name, 'only what is in Files can be deleted')
  return { kind: 'whiteout', path: `${parent}\\${hidden}` }
}

function tooLong(length: string): LayerError {
  return new LayerError('ERR_LIMIT_EXCEEDED', `Cannot apply layer: a name has ${length}`)
}

/** What may be deleted lies in here. */
function isDeletable(parent: string): boolean {
  return /^(?:UtilityVM\\)?Files(?:\\|$)/.test(parent)
}

/** The path of a link's target. @throws as {@link layerNameOf} */
export function linkTargetOf(raw: Uint8Array): string {
  const target = layerNameOf(raw)
  if (target.kind === 'file') return target.path
  throw unsafe(new TextDecoder().decode(raw), 'no link can lead there')
}

/** `ERR_UNSAFE_PATH` for a name. */
export function unsafe(name: string, why: string): LayerError {
  return new LayerError('ERR_UNSAFE_PATH', `Cannot apply ${name}: ${why}`, {
    data: { name },
    hint: 'A Windows layer has its files in Files, Hives and UtilityVM; was it made for Linux?',
  })
}

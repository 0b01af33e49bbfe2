import { LayerError } from '@varve/core'
import { utf16Bytes, utf16Text } from './backup-stream.ts'

/** `IO_REPARSE_TAG_*` of the Windows SDK's winnt.h. */
const TAG_SYMLINK = 0xa000000c
const TAG_MOUNT_POINT = 0xa0000003
/** `SYMLINK_FLAG_RELATIVE` of ntifs.h. */
const RELATIVE = 1
const FIXED_BYTES = 8

/** What a symbolic link or a mount point (a junction) points to. */
export interface ReparsePoint {
  /** The name that is shown to users, with backslashes. */
  readonly target: string
  readonly isMountPoint: boolean
}

/**
 * Reads a `REPARSE_DATA_BUFFER` (ntifs.h).
 *
 * @param keepTarget a link without a name to show has the one that the system follows; go-winio
 *   loses it
 * @throws LayerError `ERR_NOT_SUPPORTED` for other kinds of reparse points, `ERR_CORRUPT_LAYER`
 */
export function parseReparsePoint(bytes: Uint8Array, keepTarget: boolean): ReparsePoint {
  if (bytes.length < FIXED_BYTES) throw malformed()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const tag = view.getUint32(0, true)
  if (tag !== TAG_SYMLINK && tag !== TAG_MOUNT_POINT) {
    throw new LayerError(
      'ERR_NOT_SUPPORTED',
      `Cannot read a reparse point: its tag is ${tag.toString(16)}`,
      { data: { tag }, hint: 'Only symbolic links and mount points can be kept in a tar' },
    )
  }
  const isMountPoint = tag === TAG_MOUNT_POINT
  const names = FIXED_BYTES + (isMountPoint ? 8 : 12)
  if (bytes.length < names) throw malformed()
  const text = (at: number): string => {
    const from = names + view.getUint16(at, true)
    const to = from + view.getUint16(at + 2, true)
    if (to > bytes.length) throw malformed()
    return utf16Text(bytes.subarray(from, to))
  }
  const target = text(FIXED_BYTES + 4)
  const shown = target === '' && keepTarget ? shownName(text(FIXED_BYTES)) : target
  return { target: shown, isMountPoint }
}

/** The `REPARSE_DATA_BUFFER` that go-winio makes of a target. */
export function encodeReparsePoint({ target, isMountPoint }: ReparsePoint): Uint8Array {
  const [substitute, relative] = substituteName(target, isMountPoint)
  const [system, shown] = [utf16Bytes(substitute), utf16Bytes(target)]
  const names = FIXED_BYTES + (isMountPoint ? 8 : 12)
  const bytes = new Uint8Array(names + system.length + 2 + shown.length + 2)
  if (bytes.length > 0xffff) {
    throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot write a link: its target is too long', {
      data: { length: target.length },
    })
  }
  const view = new DataView(bytes.buffer)
  view.setUint32(0, isMountPoint ? TAG_MOUNT_POINT : TAG_SYMLINK, true)
  view.setUint16(4, bytes.length - FIXED_BYTES, true)
  view.setUint16(10, system.length, true)
  view.setUint16(12, system.length + 2, true)
  view.setUint16(14, shown.length, true)
  if (!isMountPoint) view.setUint32(16, relative ? RELATIVE : 0, true)
  bytes.set(system, names)
  bytes.set(shown, names + system.length + 2)
  return bytes
}

/** The name in the system's own form, and whether it is relative. */
function substituteName(target: string, isMountPoint: boolean): [string, boolean] {
  if (target.startsWith('\\\\?\\')) return [`\\??\\${target.slice(4)}`, false]
  if (target.startsWith('\\\\')) return [`\\??\\UNC\\${target.slice(2)}`, false]
  if (/^[A-Za-z]:/.test(target)) return [`\\??\\${target}`, false]
  return [target, !isMountPoint]
}

/** The other way round. */
function shownName(substitute: string): string {
  if (!substitute.startsWith('\\??\\')) return substitute
  const rest = substitute.slice(4)
  if (rest.startsWith('UNC\\')) return `\\\\${rest.slice(4)}`
  return /^[A-Za-z]:/.test(rest) ? rest : `\\\\?\\${rest}`
}

function malformed(): LayerError {
  return new LayerError('ERR_CORRUPT_LAYER', 'Cannot read a reparse point: malformed')
}

import type { TarEntry } from '@varve/tar'
import { invalid, tooMuch } from '../fault.ts'
import type { Xattr } from '../tree/xattr-sets.ts'
import { isStorable } from './xattr-rules.ts'

/** Greatest id; the next one, −1 as an unsigned number, is nobody. */
const MAX_ID = 0xffff_fffe
const MAX_MAJOR = 2 ** 12 - 1
const MAX_MINOR = 2 ** 20 - 1
/** The last second that 2⁶³ − 1 nanoseconds reach, which is all that the kernel's times can hold. */
const MAX_SECOND = 9_223_372_035

/** Owner, time and permissions, as numbers that an inode has room for. */
export interface EntryMetadata {
  readonly permissions: number
  readonly uid: number
  readonly gid: number
  readonly sec: number
  readonly nsec: number
}

/** @throws LayerError `ERR_INVALID_TAR` for an owner that there is not */
export function metadataOf(entry: TarEntry): EntryMetadata {
  const { uid, gid, mtime } = entry
  if (!isID(uid) || !isID(gid)) throw invalid(entry.name, `owner ${uid}:${gid} is none`)
  // What the system cannot hold becomes 0, as in moby and containerd.
  const fits = Number.isSafeInteger(mtime.sec) && mtime.sec >= 0 && mtime.sec <= MAX_SECOND
  return {
    permissions: entry.mode & 0o7777,
    uid,
    gid,
    sec: fits ? mtime.sec : 0,
    nsec: fits ? mtime.nsec : 0,
  }
}

/** A device's number as the kernel encodes it (`new_encode_dev`). @throws LayerError */
export function deviceNumber({ name, devmajor, devminor }: TarEntry): number {
  const fits = (number: number, max: number) =>
    Number.isInteger(number) && number >= 0 && number <= max
  if (!fits(devmajor, MAX_MAJOR) || !fits(devminor, MAX_MINOR)) {
    throw invalid(name, `device number ${devmajor}:${devminor} is out of range`)
  }
  return ((devminor & 0xff) | (devmajor << 8) | ((devminor & 0xfff00) << 12)) >>> 0
}

/**
 * The attributes of an entry that are kept.
 *
 * @param rename the name under which one is kept; undefined to leave it out
 * @throws LayerError `ERR_LIMIT_EXCEEDED`
 */
export function xattrsOf(
  entry: TarEntry,
  rename: (name: string) => string | undefined,
  limit: number,
): { readonly kept: readonly Xattr[]; readonly omitted: number } {
  let bytes = 0
  const kept: Xattr[] = []
  for (const [given, value] of entry.xattrs) {
    bytes += given.length + value.length
    if (bytes > limit) throw tooMuch('bytes of xattrs in one entry', limit)
    const name = rename(given)
    if (name !== undefined && isStorable({ name, value })) kept.push({ name, value })
  }
  return { kept, omitted: entry.xattrs.size - kept.length }
}

function isID(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_ID
}

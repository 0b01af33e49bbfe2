import { LayerError } from '@varve/core'

/** Who may do what to a file. */
export interface SecurityDescriptor {
  /** `SE_*` bits. */
  readonly control: number
  /** As `S-1-5-18`. */
  readonly owner: string | undefined
  readonly group: string | undefined
  /** Absent: everybody may do everything. */
  readonly dacl: readonly AccessEntry[] | undefined
  readonly sacl: readonly AccessEntry[] | undefined
}

/** One entry of an access list. */
export interface AccessEntry {
  /** `*_ACE_TYPE`: 0 allows, 1 denies, 2 audits. */
  readonly type: number
  readonly flags: number
  readonly rights: number
  /** Whom it is about; undefined for kinds of entries that are not about somebody alone. */
  readonly sid: string | undefined
}

const SELF_RELATIVE = 0x8000
/** Kinds whose rights are followed by nothing but a SID: allow, deny, audit, alarm, label. */
const PLAIN = new Set([0, 1, 2, 3, 0x11])

/**
 * Reads a self-relative `SECURITY_DESCRIPTOR` (Windows SDK, winnt.h).
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export function parseSecurityDescriptor(bytes: Uint8Array): SecurityDescriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 20 || view.getUint8(0) !== 1) throw malformed()
  const control = view.getUint16(2, true)
  if ((control & SELF_RELATIVE) === 0) throw malformed()
  const at = (field: number) => view.getUint32(field, true)
  const sid = (offset: number) => (offset === 0 ? undefined : sidText(view, offset))
  const list = (offset: number, present: number) =>
    (control & present) === 0 || offset === 0 ? undefined : listAt(view, offset)
  return {
    control,
    owner: sid(at(4)),
    group: sid(at(8)),
    sacl: list(at(12), 0x10),
    dacl: list(at(16), 0x4),
  }
}

function sidText(view: DataView, at: number): string {
  if (at + 8 > view.byteLength) throw malformed()
  const count = view.getUint8(at + 1)
  if (view.getUint8(at) !== 1 || count > 15 || at + 8 + 4 * count > view.byteLength) {
    throw malformed()
  }
  const authority = view.getUint16(at + 2) * 2 ** 32 + view.getUint32(at + 4)
  const rest = Array.from({ length: count }, (_, i) => view.getUint32(at + 8 + 4 * i, true))
  return ['S', 1, authority, ...rest].join('-')
}

function listAt(view: DataView, at: number): AccessEntry[] {
  if (at + 8 > view.byteLength) throw malformed()
  const end = at + view.getUint16(at + 2, true)
  const count = view.getUint16(at + 4, true)
  if (end > view.byteLength) throw malformed()
  const entries: AccessEntry[] = []
  let next = at + 8
  for (let i = 0; i < count; i++) {
    if (next + 8 > end) throw malformed()
    const type = view.getUint8(next)
    const size = view.getUint16(next + 2, true)
    if (size < 8 || next + size > end) throw malformed()
    entries.push({
      type,
      flags: view.getUint8(next + 1),
      rights: view.getUint32(next + 4, true),
      sid: PLAIN.has(type) ? sidText(view, next + 8) : undefined,
    })
    next += size
  }
  return entries
}

function malformed(): LayerError {
  return new LayerError('ERR_CORRUPT_LAYER', 'Cannot read a security descriptor: malformed')
}

import { LayerError } from '@varve/core'

/**
 * SDDL's names of users and groups that are the same on every Windows (Windows SDK, sddl.h and
 * winnt.h), as sub-authorities behind their authority.
 */
const WELL_KNOWN: Readonly<Record<string, string>> = {
  WD: 'S-1-1-0',
  CO: 'S-1-3-0',
  CG: 'S-1-3-1',
  OW: 'S-1-3-4',
  NU: 'S-1-5-2',
  IU: 'S-1-5-4',
  SU: 'S-1-5-6',
  AN: 'S-1-5-7',
  ED: 'S-1-5-9',
  PS: 'S-1-5-10',
  AU: 'S-1-5-11',
  RC: 'S-1-5-12',
  SY: 'S-1-5-18',
  LS: 'S-1-5-19',
  NS: 'S-1-5-20',
  BA: 'S-1-5-32-544',
  BU: 'S-1-5-32-545',
  BG: 'S-1-5-32-546',
  PU: 'S-1-5-32-547',
  AO: 'S-1-5-32-548',
  SO: 'S-1-5-32-549',
  PO: 'S-1-5-32-550',
  BO: 'S-1-5-32-551',
  RE: 'S-1-5-32-552',
  RD: 'S-1-5-32-555',
  AC: 'S-1-15-2-1',
  LW: 'S-1-16-4096',
  ME: 'S-1-16-8192',
  HI: 'S-1-16-12288',
  SI: 'S-1-16-16384',
}

const ACE_TYPES: Readonly<Record<string, number>> = { A: 0, D: 1, AU: 2, ML: 0x11 }
const ACE_FLAGS: Readonly<Record<string, number>> = {
  OI: 0x01,
  CI: 0x02,
  NP: 0x04,
  IO: 0x08,
  ID: 0x10,
  SA: 0x40,
  FA: 0x80,
}
const RIGHTS: Readonly<Record<string, number>> = {
  GA: 0x10000000,
  GX: 0x20000000,
  GW: 0x40000000,
  GR: 0x80000000,
  RC: 0x20000,
  SD: 0x10000,
  WD: 0x40000,
  WO: 0x80000,
  CC: 0x1,
  DC: 0x2,
  LC: 0x4,
  SW: 0x8,
  RP: 0x10,
  WP: 0x20,
  DT: 0x40,
  LO: 0x80,
  CR: 0x100,
  FA: 0x1f01ff,
  FR: 0x120089,
  FW: 0x120116,
  FX: 0x1200a0,
  KA: 0xf003f,
  KR: 0x20019,
  KW: 0x20006,
  KX: 0x20019,
  NW: 0x1,
  NR: 0x2,
  NX: 0x4,
}

/** `SE_*` bits of a descriptor (winnt.h); those of the system list are one place higher. */
const CONTROL = {
  daclPresent: 0x4,
  saclPresent: 0x10,
  daclAutoInheritRequired: 0x100,
  daclAutoInherited: 0x400,
  daclProtected: 0x1000,
  selfRelative: 0x8000,
} as const
const REVISION = 1
const ACL_REVISION = 2

/**
 * The self-relative security descriptor that an SDDL text stands for, with the users and groups that
 * every Windows knows.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` for what only the machine that wrote it can understand (its
 *   own users, conditions, objects), `ERR_INVALID_TAR` for what is no SDDL
 */
export function securityDescriptorOf(sddl: string): Uint8Array {
  const parts = splitParts(sddl)
  const owner = parts.O === undefined ? undefined : sidOf(parts.O, sddl)
  const group = parts.G === undefined ? undefined : sidOf(parts.G, sddl)
  const dacl = parts.D === undefined ? undefined : listOf(parts.D, sddl)
  const sacl = parts.S === undefined ? undefined : listOf(parts.S, sddl)
  let control = CONTROL.selfRelative | (dacl?.control ?? 0) | ((sacl?.control ?? 0) << 1)
  if (dacl) control |= CONTROL.daclPresent
  if (sacl) control |= CONTROL.saclPresent
  // In the order in which Windows itself lays them out.
  const blocks = [sacl?.bytes, dacl?.bytes, owner, group]
  const bytes = new Uint8Array(blocks.reduce((sum, block) => sum + (block?.length ?? 0), 20))
  const view = new DataView(bytes.buffer)
  view.setUint8(0, REVISION)
  view.setUint16(2, control, true)
  let at = 20
  for (const [i, block] of blocks.entries()) {
    if (!block) continue
    view.setUint32([12, 16, 4, 8][i] as number, at, true)
    bytes.set(block, at)
    at += block.length
  }
  return bytes
}

function splitParts(sddl: string): Readonly<Record<'O' | 'G' | 'D' | 'S', string | undefined>> {
  const found =
    /^(?:O:([^:()]*?))?(?:G:([^:()]*?))?(?:D:([A-Z]*(?:\([^()]*\))*))?(?:S:([A-Z]*(?:\([^()]*\))*))?$/.exec(
      sddl.replace(/\s+/g, ''),
    )
  if (!found || sddl === '') throw notUnderstood(sddl, 'it is no SDDL')
  return { O: found[1], G: found[2], D: found[3], S: found[4] }
}

function sidOf(text: string, sddl: string): Uint8Array {
  const full = Object.hasOwn(WELL_KNOWN, text) ? (WELL_KNOWN[text] as string) : text
  if (!/^S-1-[0-9]{1,14}(-[0-9]{1,10}){1,15}$/.test(full)) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot read security “${sddl}”: who is ${text}?`, {
      data: { sddl, sid: text },
    })
  }
  const [, , authority, ...rest] = full.split('-')
  const bytes = new Uint8Array(8 + 4 * rest.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, REVISION)
  view.setUint8(1, rest.length)
  const number = BigInt(authority as string)
  view.setUint16(2, Number((number >> 32n) & 0xffffn))
  view.setUint32(4, Number(number & 0xffffffffn))
  for (const [i, sub] of rest.entries()) view.setUint32(8 + 4 * i, Number(sub), true)
  return bytes
}

function listOf(text: string, sddl: string): { bytes: Uint8Array; control: number } {
  const [flags = ''] = /^[A-Z]*/.exec(text) ?? []
  const entries = text.slice(flags.length).match(/\(([^()]*)\)/g) ?? []
  const aces = entries.map((entry) => aceOf(entry.slice(1, -1), sddl))
  const size = aces.reduce((sum, ace) => sum + ace.length, 8)
  if (size > 0xffff) throw notUnderstood(sddl, 'a list is too long')
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, ACL_REVISION)
  view.setUint16(2, size, true)
  view.setUint16(4, aces.length, true)
  let at = 8
  for (const ace of aces) {
    bytes.set(ace, at)
    at += ace.length
  }
  return { bytes, control: listFlags(flags, sddl) }
}

function listFlags(flags: string, sddl: string): number {
  const parts = flags.match(/AR|AI|P/g) ?? []
  if (parts.join('') !== flags) throw notUnderstood(sddl, `what does ${flags} mean?`)
  const bits: Readonly<Record<string, number>> = {
    P: CONTROL.daclProtected,
    AR: CONTROL.daclAutoInheritRequired,
    AI: CONTROL.daclAutoInherited,
  }
  return parts.reduce((sum, part) => sum | (bits[part] as number), 0)
}

function aceOf(text: string, sddl: string): Uint8Array {
  const [type = '', flags = '', rights = '', object, inherited, who = '', ...more] = text.split(';')
  const kind = Object.hasOwn(ACE_TYPES, type) ? ACE_TYPES[type] : undefined
  if (kind === undefined || object !== '' || inherited !== '' || more.length > 0) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot read security “${sddl}”: (${text})`, {
      data: { sddl },
    })
  }
  const sid = sidOf(who, sddl)
  const bytes = new Uint8Array(8 + sid.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, kind)
  view.setUint8(1, sumOf(flags, ACE_FLAGS, sddl))
  view.setUint16(2, bytes.length, true)
  view.setUint32(4, rightsOf(rights, sddl), true)
  bytes.set(sid, 8)
  return bytes
}

function rightsOf(text: string, sddl: string): number {
  const number = /^(?:0x[0-9A-Fa-f]{1,8}|[0-9]{1,10})$/.test(text) ? Number(text) : undefined
  return number ?? sumOf(text, RIGHTS, sddl)
}

function sumOf(text: string, table: Readonly<Record<string, number>>, sddl: string): number {
  let sum = 0
  for (let at = 0; at < text.length; at += 2) {
    const word = text.slice(at, at + 2)
    const bit = Object.hasOwn(table, word) ? table[word] : undefined
    if (bit === undefined) throw notUnderstood(sddl, `what does ${word} mean?`)
    sum |= bit
  }
  return sum >>> 0
}

function notUnderstood(sddl: string, why: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot read security “${sddl}”: ${why}`, {
    data: { sddl },
  })
}

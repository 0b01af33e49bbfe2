import { concat, fromBinary, toBinary } from './bytes.ts'
import { cleanName } from './clean-name.ts'
import { BLOCK_SIZE, TYPEFLAG } from './header.ts'
import { paddingFor } from './padding.ts'
import { onlyAscii, putOctal, putText, seal } from './ustar-block.ts'

/** An `x` header with its records, sorted by key. */
export function paxHeader(name: string, records: ReadonlyMap<string, string>): Uint8Array {
  let body = ''
  for (const key of [...records.keys()].sort()) body += record(key, records.get(key) ?? '')
  const slash = name.lastIndexOf('/') + 1
  const path = `${name.slice(0, slash)}/PaxHeaders.0/${name.slice(slash)}`
  const relative = name.startsWith('/') ? path : path.replace(/^\/+/, '')
  const shown = onlyAscii(toBinary(cleanName(fromBinary(relative)))).slice(0, 100)
  const block = new Uint8Array(BLOCK_SIZE)
  putText(block, 0, 100, shown.replace(/\/+$/, ''))
  for (const at of [100, 108, 116]) putOctal(block, at, 8, 0)
  putOctal(block, 124, 12, body.length)
  putOctal(block, 136, 12, 0)
  block[156] = TYPEFLAG.pax
  seal(block)
  return concat(block, fromBinary(body), paddingFor(body.length))
}

/** `length key=value\n`, where the length counts its own digits. */
function record(key: string, value: string): string {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

import { tarOf } from '@varve/testkit'

const DIGITS = 6

/** Names `d/000000` and so on, and a tar of empty files of those names, made quickly. */
export function manyNames(count: number): { names: readonly string[]; tar: Uint8Array } {
  const header = tarOf([{ name: `d/${'0'.repeat(DIGITS)}` }]).subarray(0, 512)
  const zeroSum = Number.parseInt(new TextDecoder().decode(header.subarray(148, 154)), 8)
  const tar = new Uint8Array(512 * (count + 2))
  const names: string[] = []
  for (let i = 0; i < count; i++) {
    const digits = String(i).padStart(DIGITS, '0')
    names.push(`d/${digits}`)
    tar.set(header, i * 512)
    let sum = zeroSum
    for (let at = 0; at < DIGITS; at++) {
      tar[i * 512 + 2 + at] = digits.charCodeAt(at)
      sum += digits.charCodeAt(at) - 0x30
    }
    new TextEncoder().encodeInto(sum.toString(8).padStart(6, '0'), tar.subarray(i * 512 + 148))
  }
  return { names, tar }
}

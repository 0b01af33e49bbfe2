import type { TarSplitCodec } from '@varve/core'
import { assemble } from './assemble.ts'
import { disassemble } from './disassemble.ts'
import { inline } from './inline.ts'

/**
 * The codec of tar-split records, as Docker and containers/storage keep beside their layers.
 *
 * @example
 * ```ts
 * import { tarSplit } from '@varve/tarsplit'
 *
 * const codec = tarSplit()
 * const tar = [new TextEncoder().encode('not even a tar')]
 * const record: Uint8Array[] = []
 * const sink = { write: (chunk: Uint8Array) => void record.push(chunk) }
 * for await (const _ of codec.disassemble(tar, sink)) {
 *   // The same bytes pass on: hash them, unpack them.
 * }
 * const none = { open: () => [], [Symbol.asyncDispose]: async () => {} }
 * const out: Uint8Array[] = []
 * for await (const chunk of codec.assemble(record, none)) out.push(chunk)
 * console.assert(new TextDecoder().decode(out[0]) === 'not even a tar')
 * ```
 */
export function tarSplit(): TarSplitCodec {
  return { disassemble, assemble, inline }
}

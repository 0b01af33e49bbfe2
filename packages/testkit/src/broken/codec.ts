import { collect, LayerError, type TarSplitCodec } from '@varve/core'
import { withMethods } from './replace.ts'

type BreakCodec = (codec: TarSplitCodec) => Partial<TarSplitCodec>

const FAULTS: Readonly<Record<string, BreakCodec>> = {
  'stops at the end of the archive': (codec) => ({
    async *disassemble(tar, sink) {
      const bytes = await collect(tar, 2 ** 28)
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1
      const length = Math.min(bytes.length, Math.ceil(end / 512) * 512 + 1024)
      yield* codec.disassemble([bytes.subarray(0, length)], sink)
    },
  }),
  'passes other bytes on than it takes': (codec) => ({
    async *disassemble(tar, sink) {
      for await (const chunk of codec.disassemble(tar, sink)) yield chunk.subarray(0, -1)
    },
  }),
  'ends cleanly when a payload is bad': (codec) => ({
    async *assemble(record, files) {
      try {
        yield* codec.assemble(record, files)
      } catch (error) {
        if (!LayerError.is(error, 'ERR_CORRUPT_LAYER')) throw error
      }
    },
  }),
  'does not wait for its sink': (codec) => ({
    disassemble: (tar, sink) =>
      codec.disassemble(tar, {
        write: (chunk) => {
          void Promise.resolve(sink.write(chunk)).catch(() => {})
          return undefined
        },
      }),
  }),
  'puts no displaced payloads into the record': () => ({
    async *inline(record) {
      yield* record
    },
  }),
  'mixes up payloads of one name': (codec) => ({
    inline: (record, displaced) =>
      codec.inline(
        record,
        displaced.map((file) => ({ ...file, occurrence: 0 })),
      ),
  }),
  'ends a bad record cleanly': (codec) => ({
    async *assemble(record, files) {
      try {
        yield* codec.assemble(record, files)
      } catch (error) {
        if (!LayerError.is(error, 'ERR_CORRUPT_RECORD')) throw error
      }
    },
  }),
  'throws errors without codes': (codec) => ({
    async *assemble(record, files) {
      try {
        yield* codec.assemble(record, files)
      } catch (error) {
        throw new Error(String(error))
      }
    },
  }),
  'puts payloads into the record': (codec) => ({
    async *disassemble(tar, sink) {
      const bytes = await collect(tar, 2 ** 28)
      for await (const chunk of codec.disassemble([bytes], sink)) yield chunk
      await sink.write(bytes)
    },
  }),
}

/** Everything that a {@link brokenCodec} can do wrong, in words. */
export const codecFaults: readonly string[] = Object.keys(FAULTS)

/**
 * A codec that commits one class of fault, to prove that a suite notices.
 *
 * @param fault one of {@link codecFaults}
 *
 * @example
 * ```ts
 * import { brokenCodec, codecSuite, collectCases, memoryCodec } from '@varve/testkit'
 *
 * const { test, run } = collectCases()
 * codecSuite({ test, factory: () => brokenCodec('passes other bytes on than it takes', memoryCodec()) })
 * console.assert((await run('any bytes')).some(({ error }) => error !== undefined))
 * ```
 */
export function brokenCodec(fault: string, codec: TarSplitCodec): TarSplitCodec {
  const breakIt = FAULTS[fault]
  if (!breakIt) throw new TypeError(`no such fault: ${fault}`)
  return withMethods(codec, breakIt(codec))
}

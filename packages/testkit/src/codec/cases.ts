import assert from 'node:assert/strict'
import {
  type ByteSource,
  collect,
  type DisplacedFile,
  type FileGetter,
  LayerError,
  type TarSplitCodec,
} from '@varve/core'
import { corpus } from '../corpus/corpus.ts'
import { failsWith } from '../expect.ts'
import { applyTo } from '../memory/driver/apply.ts'
import { lookUp, type Node, newNode } from '../memory/driver/tree.ts'
import { tarOf } from '../tar/build.ts'
import { bytesOf, concat, raw, sameBytes } from '../tar/bytes.ts'
import { checkSum, numberField } from '../tar/fields.ts'

/** One rule of the codec contract. */
export interface CodecCase {
  readonly name: string
  readonly run: (codec: TarSplitCodec) => Promise<void>
}

const TAR = tarOf([
  { name: 'd/' },
  { name: 'd/one', data: 'first payload' },
  { name: 'd/two', data: 'x'.repeat(70_000) },
  { name: 'link', type: 'symlink', link: 'd/one' },
  { name: 'empty', data: '' },
])

export const codecCases: readonly CodecCase[] = [
  ...corpus().map(
    ({ name, tar, base }): CodecCase => ({
      name: `a tar comes back byte for byte, be it good or bad: ${name}`,
      run: async (codec) => {
        const bytes = await collect(tar(), 2 ** 28)
        const { passed, record, files } = await taken(codec, bytes, base?.())
        assert.ok(sameBytes(passed, bytes), 'what is passed on is not what came in')
        const back = await collect(codec.assemble([record], files), 2 ** 28)
        assert.ok(sameBytes(back, bytes), 'what is given back is not what came in')
      },
    }),
  ),
  {
    name: 'any bytes come back, also none at all',
    run: async (codec) => {
      const noise = Uint8Array.from({ length: 3000 }, (_, i) => (i * 7919) % 251)
      for (const bytes of [new Uint8Array(0), noise, new Uint8Array(511), concat([TAR, noise])]) {
        const { passed, record, files } = await taken(codec, bytes)
        assert.ok(sameBytes(passed, bytes))
        assert.ok(sameBytes(await collect(codec.assemble([record], files), 2 ** 24), bytes))
      }
    },
  },
  {
    name: 'the record does not depend on how the tar and itself are cut into chunks',
    run: async (codec) => {
      const whole = await taken(codec, TAR)
      const record: Uint8Array[] = []
      const passed = await collect(codec.disassemble(cut(TAR, 97), sinkInto(record)), 2 ** 24)
      assert.ok(sameBytes(passed, TAR))
      for (const size of [1, 61, 5000]) {
        const source = cut(concat(record), size)
        assert.ok(sameBytes(await collect(codec.assemble(source, whole.files), 2 ** 24), TAR))
      }
    },
  },
  {
    name: 'payloads are not in the record',
    run: async (codec) => {
      const { record } = await taken(codec, TAR)
      assert.ok(record.length < 30_000, `${record.length} bytes of record`)
    },
  },
  {
    name: 'a sink that is slow is waited for',
    run: async (codec) => {
      let writing = 0
      const sink = {
        write: async () => {
          assert.equal(++writing, 1, 'a second write before the first was done')
          await new Promise((resolve) => setTimeout(resolve, 1))
          writing--
        },
      }
      await collect(codec.disassemble(cut(TAR, 1000), sink), 2 ** 24)
      assert.equal(writing, 0)
    },
  },
  {
    name: 'a sink that fails, or a source that fails, makes the codec fail',
    run: async (codec) => {
      const sink = { write: () => Promise.reject(new RangeError('the sink broke')) }
      await assert.rejects(collect(codec.disassemble([TAR], sink), 2 ** 24), /the sink broke/)
      const tar = (function* () {
        yield TAR.subarray(0, 1000)
        throw new RangeError('the source broke')
      })()
      await assert.rejects(
        collect(codec.disassemble(tar, sinkInto([])), 2 ** 24),
        /the source broke/,
      )
    },
  },
  {
    name: 'a payload that has changed, grown, shrunk or gone is an error, never other bytes',
    run: async (codec) => {
      const { record } = await taken(codec, TAR)
      for (const change of ['First payload', 'first payload!', 'first', undefined]) {
        const files = filesWith(await treeOf([TAR]), 'd/one', change)
        await failsWith('ERR_CORRUPT_LAYER', () =>
          collect(codec.assemble([record], files), 2 ** 24),
        )
      }
    },
  },
  {
    name: 'a damaged record fails with a code, or gives bytes for the store to check',
    run: async (codec) => {
      const { record, files } = await taken(codec, TAR)
      let refused = 0
      for (let at = 0; at < record.length; at += Math.ceil(record.length / 150)) {
        const changed = record.slice()
        changed[at] = (changed[at] ?? 0) ^ 0x81
        refused += await refusals(codec, changed, files)
        refused += await refusals(codec, record.slice(0, at), files)
      }
      assert.ok(refused > 0, 'no damage was noticed')
    },
  },
  {
    name: 'a record that is no record at all is refused',
    run: async (codec) => {
      for (const junk of ['{', 'no record\n', '{"type":1}\u0000\n{', '[]']) {
        const files = filesOf(newNode('dir', 0o755))
        await failsWith(['ERR_CORRUPT_RECORD', 'ERR_CORRUPT_LAYER'], () =>
          collect(codec.assemble([bytesOf(junk)], files), 2 ** 24),
        )
      }
    },
  },
  {
    name: 'displaced payloads are put into the record, each by its occurrence',
    run: async (codec) => {
      const tar = tarOf([
        { name: 'f', data: 'first' },
        { name: 'g', data: 'stays' },
        { name: 'f', data: 'again' },
        { name: './f', data: 'other' },
        { name: 'f', data: 'final' },
      ])
      const { record, files } = await taken(codec, tar)
      assert.ok(sameBytes(await collect(codec.assemble([record], files), 2 ** 24), tar))
      assert.equal(await read(files, 'f', 5), 'final')
    },
  },
  {
    name: 'nothing to put in leaves a record that gives the same tar',
    run: async (codec) => {
      const { record, files } = await taken(codec, TAR)
      const same = await collect(codec.inline([record], []), 2 ** 24)
      assert.ok(sameBytes(await collect(codec.assemble([same], files), 2 ** 24), TAR))
    },
  },
  {
    name: 'a tar that nobody reads to its end can be left',
    run: async (codec) => {
      for await (const chunk of codec.disassemble(cut(TAR, 100), sinkInto([]))) {
        assert.ok(chunk.length > 0)
        break
      }
      const { record, files } = await taken(codec, TAR)
      for await (const _ of codec.assemble([record], files)) break
    },
  },
]

interface Taken {
  readonly passed: Uint8Array
  readonly record: Uint8Array
  readonly files: FileGetter
}

/** Disassembles a tar and applies it; what the layer then does not hold goes into the record. */
async function taken(codec: TarSplitCodec, tar: Uint8Array, base?: ByteSource): Promise<Taken> {
  const chunks: Uint8Array[] = []
  const passed = await collect(codec.disassemble(cut(tar, 4096), sinkInto(chunks)), 2 ** 28)
  const root = base ? await treeOf(base) : newNode('dir', 0o755)
  let displaced: readonly DisplacedFile[] = []
  try {
    displaced = (await applyTo(root, [tar])).displaced
  } catch (error) {
    if (!LayerError.is(error)) throw error
    // No layer comes of it; the codec alone must still give it back, from the tar's own payloads.
    return { passed, record: concat(chunks), files: payloadsIn(tar) }
  }
  const record = await collect(codec.inline([concat(chunks)], displaced), 2 ** 28)
  return { passed, record, files: filesOf(root) }
}

async function treeOf(tar: ByteSource): Promise<Node> {
  const root = newNode('dir', 0o755)
  await applyTo(root, tar)
  return root
}

function sinkInto(chunks: Uint8Array[]): { write(chunk: Uint8Array): undefined } {
  return { write: (chunk) => void chunks.push(chunk.slice()) }
}

function* cut(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function filesOf(root: Node): FileGetter {
  return getter((name) => {
    const node = lookUp(root, name)
    return node?.type === 'file' ? node.data : undefined
  })
}

function filesWith(root: Node, path: string, text: string | undefined): FileGetter {
  const data = text === undefined ? undefined : bytesOf(text)
  return getter((name) => (name === path ? data : lookUp(root, name)?.data), true)
}

/** Gives the payloads of a tar in their order, as assembling asks for them. */
function payloadsIn(tar: Uint8Array): FileGetter {
  let from = 0
  return getter((_, size) => {
    for (let at = from; at + 512 <= tar.length; at += 512) {
      if (sizeClaimedBy(tar.subarray(at, at + 512)) !== size) continue
      from = at + 512
      return tar.slice(from, from + size)
    }
    return undefined
  })
}

function sizeClaimedBy(block: Uint8Array): number | undefined {
  try {
    checkSum(block)
    return Number(numberField(block, 124, 12))
  } catch (error) {
    if (LayerError.is(error)) return undefined
    throw error
  }
}

function getter(
  find: (name: string, size: number) => Uint8Array | undefined,
  anySize = false,
): FileGetter {
  return {
    async *open(name, size) {
      const data = find(raw(name), size)
      if (data === undefined || (data.length !== size && !anySize)) {
        throw new LayerError('ERR_CORRUPT_LAYER', `Cannot read ${raw(name)}: no such file`)
      }
      yield data
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function read(files: FileGetter, name: string, size: number): Promise<string> {
  return raw(await collect(files.open(bytesOf(name), size), 2 ** 20))
}

/** 1 if the record is refused by a code of its own, 0 if it gives bytes. */
async function refusals(codec: TarSplitCodec, record: Uint8Array, files: FileGetter) {
  try {
    await collect(codec.assemble([record], files), 2 ** 24)
    return 0
  } catch (error) {
    assert.ok(
      LayerError.is(error, 'ERR_CORRUPT_RECORD') || LayerError.is(error, 'ERR_CORRUPT_LAYER'),
      `failed with ${String(error)}`,
    )
    return 1
  }
}

import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { ByteSource, TarSplitCodec } from '@varve/core'
import type { Context } from '../../context.ts'
import { readFrom, writeTo } from '../../files.ts'
import { extractPayloads } from '../../tarsplit/extract.ts'
import { recordLines } from '../../tarsplit/record-lines.ts'
import type { Verb } from '../../verb.ts'

interface Options {
  readonly meta: string
  readonly payload?: string
}

/** `varve tarsplit disasm`: a tar into its record and its payloads. */
export const disasm: Verb = (parent, app) => {
  parent
    .command('disasm')
    .description('write the record of a tar, and the contents of its files')
    .argument('<tar>', 'the tar, or any file, as it is; - for stdin')
    .requiredOption('--meta <file>', 'where the record goes; gzip if it ends in .gz')
    .option('--payload <dir>', 'where the contents go, under their names; a new or empty folder')
    .action(
      app.run(async (context, tar: string, options: Options) => {
        const { meta, payload } = options
        const { tarSplit } = await import('@varve/tarsplit')
        const codec = tarSplit()
        if (payload === undefined) {
          await context.long('disassemble', 'tar', (call) =>
            writeRecord(context, meta, recordOf(codec, readFrom(context, tar), call)),
          )
          return undefined
        }
        const draft = `${meta}.${randomBytes(6).toString('hex')}.tmp`
        const spool = `${draft}.tar`
        try {
          if (tar === '-') await writeTo(context, spool, context.stdin())
          const source = tar === '-' ? spool : tar
          await context.long('disassemble', 'tar', async (call) => {
            await writeTo(context, draft, recordOf(codec, readFrom(context, source), call))
            const lines = recordLines(createReadStream(draft))
            const displaced = await extractPayloads(lines, source, payload)
            await writeRecord(context, meta, codec.inline(createReadStream(draft), displaced))
          })
        } finally {
          await rm(draft, { force: true })
          await rm(spool, { force: true })
        }
        return undefined
      }),
    )
}

/** The record alone: the tar itself goes nowhere. */
async function* recordOf(
  codec: TarSplitCodec,
  tar: ByteSource,
  call: { readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = []
  const sink = {
    write(chunk: Uint8Array): undefined {
      chunks.push(chunk.slice())
    },
  }
  for await (const _passed of codec.disassemble(tar, sink, call)) {
    yield* chunks
    chunks = []
  }
  yield* chunks
}

async function writeRecord(context: Context, meta: string, record: ByteSource): Promise<void> {
  if (!meta.endsWith('.gz')) return await writeTo(context, meta, record)
  const { compress } = await import('@varve/archive')
  await writeTo(context, meta, compress(record, 'gzip'))
}

import { readFrom, refuseTerminal, writeTo } from '../../files.ts'
import type { Verb } from '../../verb.ts'

interface Options {
  readonly meta: string
  readonly payload: string
  readonly output?: string
}

/** `varve tarsplit asm`: a record and payloads into the tar they came from. */
export const asm: Verb = (parent, app) => {
  parent
    .command('asm')
    .description('put a tar together from its record and the contents of its files')
    .requiredOption('--meta <file>', 'the record, plain or gzip; - for stdin')
    .requiredOption('--payload <dir>', 'the contents, under their names: an unpacked layer')
    .option('-o, --output <file>', 'where the tar goes (default: stdout)')
    .action(
      app.run(async (context, { meta, payload, output }: Options) => {
        refuseTerminal(context, output)
        const { tarSplit } = await import('@varve/tarsplit')
        const { decompress, openFiles } = await import('@varve/archive')
        await using files = openFiles(payload)
        const { bytes } = await decompress(readFrom(context, meta))
        await context.long('assemble', 'tar', (call) =>
          writeTo(context, output, tarSplit().assemble(bytes, files, call)),
        )
        return undefined
      }),
    )
}

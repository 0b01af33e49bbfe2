import type { Change } from '@varve/core'
import { refuseTerminal, writeTo } from '../../files.ts'
import { getRW } from '../../store/rw-layers.ts'
import { printable } from '../../terminal/words.ts'
import type { Verb } from '../../verb.ts'

/** As `docker diff` has them. */
const LETTERS: Readonly<Record<Change['kind'], string>> = { add: 'A', modify: 'C', delete: 'D' }

interface Options {
  readonly exitCode?: boolean
  readonly output?: string
}

/** `varve diff NAME`: what was changed. */
export const diff: Verb = (parent, app) => {
  parent
    .command('diff')
    .description('list what was added (A), changed (C) and deleted (D)')
    .argument('<name>', 'a read-write layer')
    .option('--exit-code', 'exit with 1 if there are changes')
    .option('-o, --output <file>', 'write the changes as a layer tar instead; - for stdout')
    .action(
      app.run(async (context, name: string, { exitCode, output }: Options) => {
        if (output !== undefined) refuseTerminal(context, output)
        const { store } = await context.open()
        await using layer = await getRW(store, name)
        const { signal, out } = context
        if (output !== undefined) {
          await context.long('export', 'layer', (call) => writeTo(context, output, layer.tar(call)))
          return undefined
        }
        let changed = false
        for await (const { kind, path } of layer.changes({ signal })) {
          changed = true
          if (context.options.json) await out.json({ kind, path })
          else await out.line(`${LETTERS[kind]} ${printable(path)}`)
        }
        return changed && exitCode ? 1 : undefined
      }),
    )
}

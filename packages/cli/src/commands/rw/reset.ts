import { getRW } from '../../store/rw-layers.ts'
import type { Verb } from '../../verb.ts'

/** `varve reset NAME…`: as it was when it was made. */
export const reset: Verb = (parent, app) => {
  parent
    .command('reset')
    .description('throw the changes of read-write layers away')
    .argument('<name...>', 'read-write layers that are not mounted')
    .option('-q, --quiet', 'print nothing')
    .action(
      app.run(async (context, names: readonly string[], options: { readonly quiet?: boolean }) => {
        const { store } = await context.open()
        for (const name of names) {
          await using layer = await getRW(store, name)
          await layer.reset({ signal: context.signal })
          if (context.options.json) await context.out.json({ name })
          else if (!options.quiet) await context.out.line(name)
        }
        return undefined
      }),
    )
}

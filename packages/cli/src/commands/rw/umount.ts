import { type KeptMount, LayerError, type RWLayer } from '@varve/core'
import { usageError } from '../../failure.ts'
import { allRW, getRW } from '../../store/rw-layers.ts'
import type { Verb } from '../../verb.ts'

interface Options {
  readonly all?: boolean
  readonly force?: boolean
  readonly quiet?: boolean
}

/** `varve umount NAME…`: once for each time that it was mounted. */
export const umount: Verb = (parent, app) => {
  parent
    .command('umount')
    .alias('unmount')
    .description('unmount read-write layers, each once for each time that it was mounted')
    .argument('[name...]', 'read-write layers')
    .option('-a, --all', 'every read-write layer, however often it was mounted')
    .option('-f, --force', 'however often it was mounted')
    .option('-q, --quiet', 'print nothing')
    .action(
      app.run(async (context, given: readonly string[], options: Options) => {
        if (given.length === 0 && !options.all) throw usageError('name what to unmount, or --all')
        const { store } = await context.open()
        const names = options.all ? (await allRW(store)).map(({ name }) => name) : given
        for (const name of names) {
          await using layer = await getRW(store, name)
          const kept = await layer.kept()
          if (options.all && kept.length === 0) continue
          const left = await unmount(layer, kept, options.all === true || options.force === true)
          if (context.options.json) await context.out.json({ name, left })
          else if (!options.quiet) {
            await context.out.line(left > 0 ? `${name} (mounted ${left} times still)` : name)
          }
        }
        return undefined
      }),
    )
}

/** How many are left. */
async function unmount(
  layer: RWLayer,
  kept: readonly KeptMount[],
  whole: boolean,
): Promise<number> {
  // The writable one first: it is what most ask for.
  const [first] = [...kept].sort((a, b) => Number(a.readOnly) - Number(b.readOnly))
  if (first === undefined) {
    throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot unmount ${layer.name}: it is not mounted`, {
      data: { name: layer.name },
      hint: 'varve mount lists what is mounted',
    })
  }
  if (whole) {
    for (const { readOnly } of kept) await layer.unmount({ readOnly, all: true })
    return 0
  }
  await layer.unmount({ readOnly: first.readOnly })
  return kept.reduce((sum, { count }) => sum + count, -1)
}

import { removedSize } from '../store/removed.ts'
import { countText, shortID, sizeText } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'

interface Options {
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly quiet?: boolean
}

/** `varve prune`: away with what nothing needs. */
export const prune: Verb = (parent, app) => {
  parent
    .command('prune')
    .description('remove what nothing needs any more')
    .addHelpText(
      'after',
      '\nRemoves images without a name, and layers and blobs that no image needs.',
    )
    .option('-a, --all', 'also images with a name')
    .option('-n, --dry-run', 'only say what would be removed')
    .option('-q, --quiet', 'print only the ids of what was removed')
    .action(
      app.run(async (context, options: Options) => {
        const { images, store } = await context.open()
        const dryRun = options.dryRun === true
        const pruned = await images.prune({
          all: options.all === true,
          dryRun,
          signal: context.signal,
        })
        const swept = dryRun ? [] : await store.cleanup()
        const { out } = context
        const freed = Math.max(pruned.freed, removedSize(pruned.layers))
        if (context.options.json) {
          await out.json({ dryRun, ...pruned, swept })
          return undefined
        }
        const gone = [...pruned.deleted, ...pruned.layers.map((l) => l.chainID), ...pruned.blobs]
        if (options.quiet) {
          for (const id of gone) await out.line(id)
          return undefined
        }
        const verb = dryRun ? 'would remove' : 'removed'
        for (const name of pruned.untagged) await out.line(`${verb} name ${name}`)
        for (const id of pruned.deleted) await out.line(`${verb} image ${shortID(id)}`)
        for (const { chainID, diffSize } of pruned.layers) {
          await out.line(`${verb} layer ${shortID(chainID)}, ${sizeText(diffSize)}`)
        }
        for (const digest of pruned.blobs) await out.line(`${verb} blob ${shortID(digest)}`)
        for (const what of swept) await out.line(`swept ${what}`)
        const parts = [
          countText(pruned.deleted.length, 'image'),
          countText(pruned.layers.length, 'layer'),
          countText(pruned.blobs.length, 'blob'),
        ]
        await out.line(`${verb} ${parts.join(', ')}: ${sizeText(freed)}`)
        return undefined
      }),
    )
}

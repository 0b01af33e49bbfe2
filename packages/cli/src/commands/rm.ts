import { removedSize } from '../store/removed.ts'
import { countText, shortID, sizeText } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'

interface Options {
  readonly force?: boolean
  readonly quiet?: boolean
}

/** `varve rm IMAGE…`: names, and with the last name the image and what only it needed. */
export const rm: Verb = (parent, app) => {
  parent
    .command('rm')
    .alias('rmi')
    .description('remove names, and images with their last')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .addHelpText('after', '\nLayers go with the last image that needs them.')
    .option('-f, --force', 'remove an image by its id although it has several names')
    .option('-q, --quiet', 'print nothing')
    .action(
      app.run(async (context, refs: readonly string[], options: Options) => {
        const { images } = await context.open()
        const force = options.force === true
        for (const ref of refs) {
          const removed = await images.remove(ref, { force, signal: context.signal })
          if (context.options.json) await context.out.json({ ref, ...removed })
          if (context.options.json || options.quiet) continue
          for (const name of removed.untagged) await context.out.line(`untagged: ${name}`)
          for (const id of removed.deleted) {
            const size = sizeText(removedSize(removed.layers))
            const freed = `${countText(removed.layers.length, 'layer')}, ${size}`
            await context.out.line(`removed: ${shortID(id)} and ${freed}`)
          }
        }
        return undefined
      }),
    )
}

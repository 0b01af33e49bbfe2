import type { RWLayer } from '@varve/core'
import type { Image } from '@varve/image'
import type { OpenedStore } from '../../store/open.ts'
import { getRW, originOf } from '../../store/rw-layers.ts'
import { shortID, sizeText } from '../../terminal/words.ts'
import { several, type Verb } from '../../verb.ts'

interface Options {
  readonly tag?: readonly string[]
  readonly message?: string
  readonly author?: string
  readonly base?: string
  readonly quiet?: boolean
}

/** `varve commit NAME`: its present state as an image. */
export const commit: Verb = (parent, app) => {
  parent
    .command('commit')
    .description('make an image of the present state of a read-write layer')
    .argument('<name>', 'a read-write layer')
    .option('-t, --tag <name>', 'tag the image so', several)
    .option('-m, --message <text>', 'for its history')
    .option('-a, --author <text>', 'who made it')
    .option('--base <image>', 'whose configuration it inherits (default: the image it was made on)')
    .option('-q, --quiet', 'print only the image id')
    .action(
      app.run(async (context, name: string, options: Options) => {
        const opened = await context.open()
        await using layer = await getRW(opened.store, name)
        const base = await baseOf(opened, layer, options.base)
        const image = await context.long('register', 'layer', async (call) => {
          await using made = await layer.commit(call)
          return await opened.images.commit(made, {
            signal: context.signal,
            createdBy: `varve commit ${name}`,
            ...(base ? { base: base.id } : {}),
            ...(options.tag ? { tags: options.tag } : {}),
            ...(options.message === undefined ? {} : { message: options.message }),
            ...(options.author === undefined ? {} : { author: options.author }),
          })
        })
        if (context.options.json) await context.out.json(image)
        else if (options.quiet) await context.out.line(image.id)
        else await context.out.line(sentence(image))
        return undefined
      }),
    )
}

/** The image that it was made on, or if that is gone another one of the same layers. */
async function baseOf(
  { images }: OpenedStore,
  layer: RWLayer,
  wanted: string | undefined,
): Promise<Image | undefined> {
  if (wanted !== undefined) return await images.get(wanted)
  if (layer.parent === undefined) return undefined
  const same = (await images.list()).filter(({ chainID }) => chainID === layer.parent)
  const { image } = originOf(layer)
  return same.find(({ id }) => id === image) ?? same[0]
}

function sentence(image: Image): string {
  const names = image.tags.length > 0 ? `${image.tags.join(', ')} ` : ''
  return `committed: ${names}${shortID(image.id)}, ${sizeText(image.size)}`
}

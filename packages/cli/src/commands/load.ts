import type { LoadedImage } from '@varve/image'
import { readFrom, requireFiles } from '../files.ts'
import { countText, shortID, sizeText } from '../terminal/words.ts'
import { platformArgument, several, type Verb } from '../verb.ts'

interface Options {
  readonly platform?: string
  readonly keepBlobs?: boolean
  readonly tag?: readonly string[]
  readonly quiet?: boolean
}

/** `varve load FILE…`: images of other tools into the store. */
export const load: Verb = (parent, app) => {
  parent
    .command('load')
    .alias('import')
    .description('take images from archives and OCI layouts')
    .argument(
      '<file...>',
      'an archive, also compressed; a directory with an OCI layout; - for stdin',
    )
    .option('--platform <os/arch>', 'the image to take of several', platformArgument)
    .option('--keep-blobs', 'keep the blobs as they came, so that digests survive a save')
    .option('-t, --tag <name>', 'tag the image so, instead of as the archive says', several)
    .option('-q, --quiet', 'print only image ids')
    .action(
      app.run(async (context, files: readonly string[], options: Options) => {
        await requireFiles(files)
        const { images } = await context.open({ create: true })
        const { platform, keepBlobs, tag } = options
        for (const file of files) {
          const source = file === '-' ? readFrom(context, file) : file
          const loaded = await context.long('load', 'layer', (call) =>
            images.load(source, {
              ...call,
              ...(platform === undefined ? {} : { platform }),
              ...(keepBlobs === undefined ? {} : { keepBlobs }),
              ...(tag === undefined ? {} : { tags: tag }),
            }),
          )
          for (const image of loaded) {
            if (context.options.json) await context.out.json(image)
            else await context.out.line(options.quiet ? image.id : sentence(image))
          }
        }
        return undefined
      }),
    )
}

function sentence(image: LoadedImage): string {
  const name = image.tags.length > 0 ? `${image.tags.join(', ')} (${shortID(image.id)})` : image.id
  const known = image.layers.filter((layer) => layer.existed).length
  const shared = known > 0 ? `, ${known} of them here before` : ''
  const layers = `${countText(image.layers.length, 'layer')}${shared}, ${sizeText(image.size)}`
  return `${image.existed ? 'already here' : 'loaded'}: ${name}, ${layers}`
}

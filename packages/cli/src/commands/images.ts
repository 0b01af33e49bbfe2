import type { Image } from '@varve/image'
import { type Column, printRows } from '../terminal/columns.ts'
import { ageText, shortID, sizeText } from '../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../verb.ts'

type Row = Image & { readonly platformName: string }

/** `varve images`: what is in the store. */
export const images: Verb = (parent, app) => {
  const now = new Date()
  const columns: readonly Column<Row>[] = [
    {
      key: 'tags',
      help: 'its names',
      title: 'IMAGE',
      value: (image) => image.tags,
      text: (image) => image.tags.join(', ') || '<none>',
    },
    {
      key: 'id',
      help: 'digest of its configuration',
      title: 'ID',
      value: (image) => image.id,
      text: (image, whole) => (whole ? image.id : shortID(image.id)),
    },
    {
      key: 'platform',
      help: 'os/arch[/variant] it is for',
      title: 'PLATFORM',
      value: (image) => image.platformName,
    },
    {
      key: 'layers',
      help: 'how many layers it has',
      title: 'LAYERS',
      value: (image) => image.diffIDs.length,
      right: true,
    },
    {
      key: 'size',
      help: 'bytes of all its layers',
      title: 'SIZE',
      value: (image) => image.size,
      text: (image) => sizeText(image.size),
      right: true,
    },
    {
      key: 'created',
      help: 'when it was made, RFC 3339',
      title: 'CREATED',
      value: (image) => image.created?.toISOString(),
      text: (image) => ageText(image.created, now),
    },
    { key: 'digests', help: 'its names with manifest digests', value: (image) => image.digests },
    { key: 'chainID', help: 'its stack of layers', value: (image) => image.chainID },
    { key: 'diffIDs', help: 'its layers, base first', value: (image) => image.diffIDs },
    {
      key: 'manifest',
      help: 'digest of the manifest it came with',
      value: (image) => image.manifest,
    },
  ]
  const command = parent
    .command('images')
    .alias('ls')
    .description('list images')
    .option('-q, --quiet', 'print only image ids')
  withRows(command, columns).action(
    app.run(async (context, options: RowOptions) => {
      const style = rowStyle(context, options, columns)
      const store = await context.open()
      const { formatPlatform } = await import('@varve/image')
      const rows = (await store.images.list()).map(
        (image): Row => ({ ...image, platformName: formatPlatform(image.platform) }),
      )
      await printRows(context.out, columns, rows, style)
      return undefined
    }),
  )
}

import type { DiskUsage } from '@varve/image'
import { type Column, printRows } from '../terminal/columns.ts'
import { shortID, sizeText } from '../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../verb.ts'

interface Row {
  readonly kind: string
  readonly count: number
  readonly size: number
  readonly reclaimable: number
}

const columns: readonly Column<Row>[] = [
  { key: 'kind', help: 'layers or blobs', title: 'KIND', value: (row) => row.kind },
  { key: 'count', help: 'how many', title: 'COUNT', value: (row) => row.count, right: true },
  {
    key: 'size',
    help: 'bytes, each thing counted once',
    title: 'SIZE',
    value: (row) => row.size,
    text: (row) => sizeText(row.size),
    right: true,
  },
  {
    key: 'reclaimable',
    help: 'bytes that varve prune would free',
    title: 'RECLAIMABLE',
    value: (row) => row.reclaimable,
    text: (row) => sizeText(row.reclaimable),
    right: true,
  },
]

type ImageRow = DiskUsage['images'][number]

const imageColumns: readonly Column<ImageRow>[] = [
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
  ...(['size', 'shared', 'unique'] as const).map((key) => ({
    key,
    help: {
      size: 'bytes of all its layers',
      shared: 'of layers that others use too',
      unique: 'of layers that only it uses',
    }[key],
    title: key.toUpperCase(),
    value: (image: ImageRow) => image[key],
    text: (image: ImageRow) => sizeText(image[key]),
    right: true,
  })),
]

/** `varve df`: where the space went. */
export const df: Verb = (parent, app) => {
  const command = parent
    .command('df')
    .description('show where the space went')
    .option('-v, --verbose', 'one row for each image instead')
  withRows(command, columns)
    .addHelpText(
      'after',
      `\nWith --verbose:\n${imageColumns.map((c) => `  ${c.key.padEnd(11)}  ${c.help}`).join('\n')}`,
    )
    .action(
      app.run(async (context, options: RowOptions & { readonly verbose?: boolean }) => {
        const { out } = context
        if (options.verbose) {
          const style = rowStyle(context, options, imageColumns)
          const { images } = await context.open()
          await printRows(out, imageColumns, (await images.diskUsage()).images, style)
        } else {
          const style = rowStyle(context, options, columns)
          const { images } = await context.open()
          await printRows(out, columns, rowsOf(await images.diskUsage()), style)
        }
        return undefined
      }),
    )
}

function rowsOf(usage: DiskUsage): readonly Row[] {
  const { layers, blobs, total } = usage
  return [
    {
      kind: 'layers',
      count: layers.length,
      size: total,
      reclaimable: usage.reclaimable - blobs.unused,
    },
    { kind: 'blobs', count: blobs.count, size: blobs.size, reclaimable: blobs.unused },
  ]
}

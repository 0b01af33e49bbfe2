import type { ImageLayer } from '@varve/image'
import { type Column, printRows } from '../terminal/columns.ts'
import { shortID, sizeText } from '../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../verb.ts'

interface Row extends ImageLayer {
  readonly image: string
  /** From 1, base first. */
  readonly number: number
}

const columns: readonly Column<Row>[] = [
  {
    key: 'number',
    help: 'from 1, base first',
    title: '#',
    value: (row) => row.number,
    right: true,
  },
  {
    key: 'diffID',
    help: 'digest of its uncompressed tar',
    title: 'DIFF ID',
    value: (row) => row.diffID,
    text: (row, whole) => (whole ? row.diffID : shortID(row.diffID)),
  },
  {
    key: 'chainID',
    help: 'its name in the store, together with all beneath it',
    title: 'CHAIN ID',
    value: (row) => row.chainID,
    text: (row, whole) => (whole ? row.chainID : shortID(row.chainID)),
  },
  {
    key: 'size',
    help: 'its own bytes; none if the layer is missing',
    title: 'SIZE',
    value: (row) => row.size,
    text: (row) => (row.size === undefined ? 'missing' : sizeText(row.size)),
    right: true,
  },
  {
    key: 'blob',
    help: 'digest of the blob in which it came',
    title: 'BLOB',
    value: (row) => row.blob?.digest,
    text: (row, whole) => {
      const digest = row.blob?.digest
      if (digest === undefined) return '-'
      return `${whole ? digest : shortID(digest)}${row.blobKept ? ' (kept)' : ''}`
    },
  },
  { key: 'mediaType', help: 'of that blob', value: (row) => row.blob?.mediaType },
  { key: 'blobKept', help: "whether the blob's own bytes are kept", value: (row) => row.blobKept },
  { key: 'image', help: 'id of the image', value: (row) => row.image },
]

/** `varve layers IMAGE…`: the stack of an image. */
export const layers: Verb = (parent, app) => {
  const command = parent
    .command('layers')
    .description('list the layers of images')
    .argument('[image...]', 'tag, or id or the beginning of one (default: every image)')
    .option('-q, --quiet', 'print only DiffIDs')
  withRows(command, columns).action(
    app.run(async (context, refs: readonly string[], options: RowOptions) => {
      const style = rowStyle(context, options, columns, 'diffID')
      const { images } = await context.open()
      const wanted = refs.length > 0 ? refs : (await images.list()).map((image) => image.id)
      const rows: Row[] = []
      for (const ref of wanted) {
        const image = await images.get(ref)
        image.layers.forEach((layer, i) => {
          rows.push({ ...layer, image: image.id, number: i + 1 })
        })
      }
      await printRows(context.out, columns, rows, style)
      return undefined
    }),
  )
}

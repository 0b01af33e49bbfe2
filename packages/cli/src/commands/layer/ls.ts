import type { LayerRecord } from '@varve/core'
import { depthOf, layersByID } from '../../store/layers.ts'
import { type Column, printRows } from '../../terminal/columns.ts'
import { shortID, sizeText } from '../../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../../verb.ts'

type Row = LayerRecord & { readonly depth: number }

const id = (key: 'chainID' | 'diffID' | 'parent', title: string, help: string): Column<Row> => ({
  key,
  title,
  help,
  value: (row) => row[key],
  text: (row, whole) => {
    const digest = row[key]
    if (digest === undefined) return '-'
    return whole ? digest : shortID(digest)
  },
})

const columns: readonly Column<Row>[] = [
  id('chainID', 'CHAIN ID', 'its name, together with all beneath it'),
  id('diffID', 'DIFF ID', 'digest of its uncompressed tar'),
  id('parent', 'PARENT', 'ChainID of the layer it stands on'),
  {
    key: 'depth',
    help: 'layers in its chain',
    title: 'DEPTH',
    value: (row) => row.depth,
    right: true,
  },
  {
    key: 'size',
    help: 'its own bytes',
    title: 'SIZE',
    value: (row) => row.diffSize,
    text: (row) => sizeText(row.diffSize),
    right: true,
  },
  { key: 'cacheID', help: "the driver's id of it", value: (row) => row.cacheID },
]

/** `varve layer ls`: every layer. */
export const ls: Verb = (parent, app) => {
  const command = parent
    .command('ls')
    .description('list every layer, parents before children')
    .option('-q, --quiet', 'print only ChainIDs')
  withRows(command, columns).action(
    app.run(async (context, options: RowOptions) => {
      const style = rowStyle(context, options, columns, 'chainID')
      const { store } = await context.open()
      const layers = await layersByID(store)
      const rows = [...layers.values()].map((layer) => ({
        ...layer,
        depth: depthOf(layer.chainID, layers),
      }))
      rows.sort((a, b) => a.depth - b.depth || (a.chainID < b.chainID ? -1 : 1))
      await printRows(context.out, columns, rows, style)
      return undefined
    }),
  )
}

import { type Column, printRows } from '../../terminal/columns.ts'
import { cut } from '../../terminal/words.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'
import { fields, type GraphRow, tagsByID } from './rows.ts'

/** Width of the commands in the table, as `docker history` has it. */
const COMMAND_WIDTH = 45

const createdBy: Column<GraphRow> = {
  ...fields.createdBy,
  title: 'CREATED BY',
  text: (row, whole) => {
    const command = String(fields.createdBy.value(row) ?? '').replace(/\s+/g, ' ')
    return whole ? command : cut(command, COMMAND_WIDTH)
  },
}
const columns: readonly Column<GraphRow>[] = [
  fields.id,
  fields.created,
  createdBy,
  fields.size,
  { ...fields.comment, title: 'COMMENT' },
  { ...fields.tags, title: 'NAMES' },
  fields.author,
]

/** `varve graph history DIR IMAGE`: an image and all beneath it. */
export const history: Verb = (group, app) => {
  const command = onGraph(group.command('history'))
    .description('list an image and all beneath it')
    .argument('<image>', 'tag, or id or the beginning of one')
    .option('-q, --quiet', 'print only ids')
  withRows(command, columns).action(
    app.run(async (context, dir: string, ref: string, options: GraphOptions & RowOptions) => {
      const style = rowStyle(context, options, columns)
      await using graph = await openOldRoot(context, dir, options)
      const { ancestry, findImage } = await import('@varve/graph')
      const chain = await ancestry(graph, (await findImage(graph, ref)).id)
      const names = await tagsByID(graph)
      const rows = chain.map((image) => ({ ...image, tags: names.get(image.id) ?? [] }))
      await printRows(context.out, columns, rows, style)
      return undefined
    }),
  )
}

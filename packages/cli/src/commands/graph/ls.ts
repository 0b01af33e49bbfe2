import { type Column, printRows } from '../../terminal/columns.ts'
import { type RowOptions, rowStyle, type Verb, withRows } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'
import { createdOf, fields, type GraphRow, tagsByID } from './rows.ts'

const { tags, id, parent, size, created, createdBy, author, comment } = fields
const columns: readonly Column<GraphRow>[] = [
  tags,
  id,
  parent,
  size,
  created,
  createdBy,
  author,
  comment,
]

interface Options extends GraphOptions, RowOptions {
  readonly all?: boolean
}

/** `varve graph ls DIR`: what is in a graph. */
export const ls: Verb = (group, app) => {
  const command = onGraph(group.command('ls').alias('images'))
    .description('list images')
    .option('-a, --all', 'also those without a name that others stand on')
    .option('-q, --quiet', 'print only ids')
  withRows(command, columns).action(
    app.run(async (context, dir: string, options: Options) => {
      const style = rowStyle(context, options, columns)
      await using graph = await openOldRoot(context, dir, options)
      const names = await tagsByID(graph)
      const rows: GraphRow[] = []
      for await (const image of graph.walkAll()) {
        const row = { ...image, tags: names.get(image.id) ?? [] }
        const isShown = options.all || row.tags.length > 0 || !(await graph.hasChildren(row.id))
        if (isShown) rows.push(row)
      }
      const time = (row: GraphRow): number => createdOf(row)?.getTime() ?? 0
      rows.sort((a, b) => time(b) - time(a) || (a.id < b.id ? -1 : 1))
      await printRows(context.out, columns, rows, style)
      return undefined
    }),
  )
}

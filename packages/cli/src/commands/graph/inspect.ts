import { LayerError } from '@varve/core/errors'
import type { Graph } from '@varve/graph'
import { type Column, fieldsText, parseFormat, rowObject } from '../../terminal/columns.ts'
import type { Verb } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'
import { fields, type GraphRow, tagsByID } from './rows.ts'

/** All about one image. */
interface Details extends GraphRow {
  readonly children: readonly string[]
  /** Of the blob in which the layer came, if somebody has said it. */
  readonly digest: string | undefined
}

const columns: readonly Column<Details>[] = [
  ...Object.values(fields),
  { key: 'children', help: 'the images that stand on it', value: (image) => image.children },
  { key: 'digest', help: 'digest of the blob its layer came in', value: (image) => image.digest },
  { key: 'document', help: 'its json', value: (image) => image.document },
]

interface Options extends GraphOptions {
  readonly format?: string
  readonly raw?: boolean
}

/** `varve graph inspect DIR IMAGE…`: all about images, as JSON. */
export const inspect: Verb = (group, app) => {
  onGraph(group.command('inspect'))
    .description('print all about images, as JSON')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .option('--format <template>', 'print each image as this says, for instance "{id} {size}"')
    .option('--raw', 'print the very bytes of its json')
    .addHelpText('after', fieldsText(columns))
    .action(
      app.run(async (context, dir: string, refs: readonly string[], options: Options) => {
        const { out } = context
        const template =
          options.format === undefined ? undefined : parseFormat(options.format, columns)
        await using graph = await openOldRoot(context, dir, options)
        const { findImage } = await import('@varve/graph')
        const ids: string[] = []
        for (const ref of refs) ids.push((await findImage(graph, ref)).id)
        if (options.raw) {
          for (const id of ids) await out.write(await graph.rawJSON(id))
          return undefined
        }
        const found: Details[] = []
        for (const id of ids) found.push(await detailsOf(graph, id))
        if (template) for (const one of found) await out.line(template(one))
        else if (context.options.json) {
          for (const one of found) await out.json(rowObject(columns, one))
        } else {
          const all = found.map((one) => rowObject(columns, one))
          await out.line(JSON.stringify(all, undefined, 2))
        }
        return undefined
      }),
    )
}

async function detailsOf(graph: Graph, id: string): Promise<Details> {
  const children = (await graph.byParent()).get(id) ?? []
  return {
    ...(await graph.get(id)),
    tags: (await tagsByID(graph)).get(id) ?? [],
    children: children.map((child) => child.id).sort(),
    digest: await digestOf(graph, id),
  }
}

async function digestOf(graph: Graph, id: string): Promise<string | undefined> {
  try {
    return await graph.getDigest(id)
  } catch (error) {
    if (LayerError.is(error, 'ERR_DIGEST_NOT_SET')) return undefined
    throw error
  }
}

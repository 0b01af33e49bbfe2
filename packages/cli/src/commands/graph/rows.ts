import type { Graph, GraphImage } from '@varve/graph'
import type { Column } from '../../terminal/columns.ts'
import { ageText, shortID, sizeText } from '../../terminal/words.ts'

/** An image of a graph as it is listed. */
export interface GraphRow extends GraphImage {
  readonly tags: readonly string[]
}

/** Tags of each image. */
export async function tagsByID(graph: Graph): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, string[]>()
  for (const [tag, id] of await graph.tags()) tags.set(id, [...(tags.get(id) ?? []), tag])
  return tags
}

/** When an image was made, by its document. */
export function createdOf({ document }: GraphImage): Date | undefined {
  const time = new Date(document.created ?? Number.NaN)
  return Number.isNaN(time.getTime()) ? undefined : time
}

/** The command that made an image: that of the container it was committed from. */
function commandOf({ document }: GraphImage): string | undefined {
  const command = document.container_config?.Cmd
  if (Array.isArray(command)) return command.join(' ')
  return typeof command === 'string' ? command : undefined
}

/** Fields of an image, for `ls`, `history` and `inspect`. */
export const fields: {
  readonly [Name in
    | 'id'
    | 'tags'
    | 'parent'
    | 'size'
    | 'created'
    | 'createdBy'
    | 'author'
    | 'comment']: Column<GraphRow>
} = {
  id: {
    key: 'id',
    help: 'its id in the graph',
    title: 'ID',
    value: (image) => image.id,
    text: (image, whole) => (whole ? image.id : shortID(image.id)),
  },
  tags: {
    key: 'tags',
    help: 'its names',
    title: 'IMAGE',
    value: (image) => image.tags,
    text: (image) => image.tags.join(', ') || '<none>',
  },
  parent: {
    key: 'parent',
    help: 'the image it stands on',
    title: 'PARENT',
    value: (image) => image.parent,
    text: (image, whole) => {
      if (image.parent === undefined) return '-'
      return whole ? image.parent : shortID(image.parent)
    },
  },
  size: {
    key: 'size',
    help: 'bytes of its own layer',
    title: 'SIZE',
    value: (image) => image.size,
    text: (image) => sizeText(image.size),
    right: true,
  },
  created: {
    key: 'created',
    help: 'when it was made, RFC 3339',
    title: 'CREATED',
    value: (image) => image.document.created,
    text: (image) => ageText(createdOf(image), new Date()),
  },
  createdBy: {
    key: 'createdBy',
    help: 'the command that made it',
    value: commandOf,
  },
  author: { key: 'author', help: 'who made it', value: (image) => image.document.author },
  comment: {
    key: 'comment',
    help: 'what was said of it',
    value: (image) => image.document.comment,
  },
}

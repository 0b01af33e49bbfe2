import { LayerError } from '@varve/core/errors'
import type { ImageDetails } from '@varve/image'
import { Option } from 'commander'
import { type Column, fieldsText, parseFormat, rowObject } from '../terminal/columns.ts'
import type { Verb } from '../verb.ts'

const columns: readonly Column<ImageDetails>[] = [
  { key: 'id', help: 'digest of its configuration', value: (image) => image.id },
  { key: 'tags', help: 'its names', value: (image) => image.tags },
  { key: 'digests', help: 'its names with manifest digests', value: (image) => image.digests },
  { key: 'created', help: 'when it was made', value: (image) => image.created?.toISOString() },
  {
    key: 'lastUpdated',
    help: 'when it came here or was tagged',
    value: (image) => image.lastUpdated?.toISOString(),
  },
  { key: 'platform', help: 'os, architecture and variant', value: (image) => image.platform },
  { key: 'parent', help: 'the image it was committed on', value: (image) => image.parent },
  { key: 'size', help: 'bytes of all its layers', value: (image) => image.size },
  { key: 'chainID', help: 'its whole stack of layers', value: (image) => image.chainID },
  { key: 'layers', help: 'each layer, base first', value: (image) => image.layers },
  {
    key: 'manifest',
    help: 'digest of the manifest it came with',
    value: (image) => image.manifest,
  },
  { key: 'config', help: 'its configuration', value: (image) => image.config },
]

interface Options {
  readonly format?: string
  readonly raw?: 'config' | 'manifest'
}

/** `varve inspect IMAGE…`: all about images, as JSON. */
export const inspect: Verb = (parent, app) => {
  parent
    .command('inspect')
    .description('print all about images, as JSON')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .option('--format <template>', 'print each image as this says, for instance "{id} {size}"')
    .addOption(
      new Option('--raw <document>', 'print its very bytes').choices(['config', 'manifest']),
    )
    .addHelpText('after', fieldsText(columns))
    .action(
      app.run(async (context, refs: readonly string[], { format, raw }: Options) => {
        const template = format === undefined ? undefined : parseFormat(format, columns)
        const { images } = await context.open()
        const found: ImageDetails[] = []
        for (const ref of refs) found.push(await images.get(ref))
        const { out, options } = context
        if (raw !== undefined) {
          for (const image of found) await out.write(bytesOf(image, raw))
        } else if (template) {
          for (const image of found) await out.line(template(image))
        } else if (options.json) {
          for (const image of found) await out.json(rowObject(columns, image))
        } else {
          const all = found.map((image) => rowObject(columns, image))
          await out.line(JSON.stringify(all, undefined, 2))
        }
        return undefined
      }),
    )
}

function bytesOf(image: ImageDetails, document: 'config' | 'manifest'): Uint8Array {
  const bytes = document === 'config' ? image.configBytes : image.manifestBytes
  if (bytes) return bytes
  throw new LayerError(
    'ERR_BLOB_NOT_FOUND',
    `Cannot print the manifest of ${image.id}: it came without one, or it is not kept`,
    { data: { id: image.id } },
  )
}

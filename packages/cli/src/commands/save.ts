import type { ArchiveOptions, Compression, SaveFormat } from '@varve/image'
import { Option } from 'commander'
import type { Context } from '../context.ts'
import { usageError } from '../failure.ts'
import { refuseTerminal, writeTo } from '../files.ts'
import { shortID } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'

interface Options {
  readonly output?: string
  readonly format?: SaveFormat | 'erofs'
  readonly compress?: Compression
  readonly originalBlobs?: boolean
  readonly quiet?: boolean
}

/** `varve save IMAGE…`: images out of the store, for other tools. */
export const save: Verb = (parent, app) => {
  parent
    .command('save')
    .alias('export')
    .description('write images as archives or OCI layouts')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .option('-o, --output <file>', 'where to; a directory for oci-layout (default: stdout)')
    .addOption(
      new Option('--format <format>', 'what to write (default: docker-archive)').choices([
        'docker-archive',
        'oci-archive',
        'oci-layout',
        'erofs',
      ]),
    )
    .addOption(
      new Option('--compress <how>', 'of layers whose own blobs are not kept').choices([
        'none',
        'gzip',
        'zstd',
      ]),
    )
    .option('--original-blobs', 'write kept blobs as they came; for OCI this is the default')
    .option('--no-original-blobs', 'write every layer anew')
    .option('-q, --quiet', 'with -o, print only image ids')
    .action(
      app.run(async (context, refs: readonly string[], options: Options) => {
        const { output, format = 'docker-archive' } = options
        if (format === 'erofs') return await saveErofs(context, refs, output)
        const how: Omit<ArchiveOptions, 'format'> = {
          ...(options.compress === undefined ? {} : { compression: options.compress }),
          ...(options.originalBlobs === undefined ? {} : { originalBlobs: options.originalBlobs }),
        }
        if (output === undefined || output === '-') {
          if (format === 'oci-layout') {
            throw usageError('an OCI layout is a directory', 'name one with -o, or use oci-archive')
          }
          refuseTerminal(context, output)
          const { images } = await context.open()
          await context.long('save', 'layer', (call) =>
            writeTo(context, output, images.archive(refs, { ...how, ...call, format })),
          )
          return undefined
        }
        const { images } = await context.open()
        const saved = await context.long('save', 'layer', (call) =>
          images.save(refs, output, { ...how, ...call, format }),
        )
        for (const image of saved) {
          if (context.options.json) await context.out.json({ ...image, output })
          else if (options.quiet) await context.out.line(image.id)
          else {
            const name = image.tags.join(', ') || shortID(image.id)
            await context.out.line(`saved: ${name} in ${output}, manifest ${image.manifest.digest}`)
          }
        }
        return undefined
      }),
    )
}

/** The file system of one image, for a guest to mount. */
async function saveErofs(
  context: Context,
  refs: readonly string[],
  output: string | undefined,
): Promise<undefined> {
  const [ref = '', ...more] = refs
  if (more.length > 0) throw usageError('an EROFS image holds one image', 'give one only')
  refuseTerminal(context, output)
  const { erofsImage } = await import('../store/erofs-image.ts')
  const { images, store } = await context.open()
  const { id, chainID } = await images.get(ref)
  // The image's own name, so that the same image gives the same bytes.
  const uuid = Buffer.from(id.slice('sha256:'.length), 'hex').subarray(0, 16)
  await context.long('save', 'layer', (call) =>
    writeTo(context, output, erofsImage(store, chainID, uuid, call)),
  )
  if (output === undefined || output === '-') return undefined
  if (context.options.json) await context.out.json({ id, output })
  else await context.out.line(`saved: ${shortID(id)} in ${output}`)
  return undefined
}

import { LayerError } from '@varve/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import type { OpenedStore } from '../store/open.ts'
import { removedSize } from '../store/removed.ts'
import { isRW } from '../store/rw-layers.ts'
import { countText, shortID, sizeText } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'
import { removeRW } from './rw/remove.ts'

interface Options {
  readonly force?: boolean
  readonly quiet?: boolean
}

/** `varve rm NAME…`: read-write layers, or images by their names. */
export const rm: Verb = (parent, app) => {
  withOptions(parent.command('rm'))
    .description('remove read-write layers, or images as rmi does')
    .argument('<name...>', 'a read-write layer; or an image')
    .action(
      app.run(async (context, names: readonly string[], options: Options) => {
        const opened = await context.open()
        for (const name of names) {
          if (!(await isRW(opened.store, name))) {
            await removeImage(context, opened, name, options)
            continue
          }
          await refuseAmbiguous(opened, name)
          const layers = await removeRW(opened.store, name, options.force === true)
          if (context.options.json) await context.out.json({ name, layers })
          else if (!options.quiet) await context.out.line(`removed: ${name}`)
        }
        return undefined
      }),
    )
}

/** `varve rmi IMAGE…`: names, and with the last name the image and what only it needed. */
export const rmi: Verb = (parent, app) => {
  withOptions(parent.command('rmi'))
    .description('remove names, and images with their last')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .action(
      app.run(async (context, refs: readonly string[], options: Options) => {
        const opened = await context.open()
        for (const ref of refs) await removeImage(context, opened, ref, options)
        return undefined
      }),
    )
}

function withOptions(command: Command): Command {
  return command
    .addHelpText('after', '\nLayers go with the last image or read-write layer that needs them.')
    .option('-f, --force', 'also an image by its id that has several names, or what is mounted')
    .option('-q, --quiet', 'print nothing')
}

async function removeImage(
  context: Context,
  { images }: OpenedStore,
  ref: string,
  options: Options,
): Promise<void> {
  const force = options.force === true
  const removed = await images.remove(ref, { force, signal: context.signal })
  if (context.options.json) await context.out.json({ ref, ...removed })
  if (context.options.json || options.quiet) return
  for (const name of removed.untagged) await context.out.line(`untagged: ${name}`)
  for (const id of removed.deleted) {
    const size = sizeText(removedSize(removed.layers))
    const freed = `${countText(removed.layers.length, 'layer')}, ${size}`
    await context.out.line(`removed: ${shortID(id)} and ${freed}`)
  }
}

/** A name that could be either may not cost somebody the wrong one. */
async function refuseAmbiguous({ images }: OpenedStore, name: string): Promise<void> {
  try {
    await images.get(name)
  } catch (error) {
    // Or it is no name that an image could have.
    const none = ['ERR_IMAGE_NOT_FOUND', 'ERR_AMBIGUOUS_ID', 'ERR_INVALID_ARGUMENT']
    if (LayerError.is(error) && none.includes(error.code)) return
    throw error
  }
  throw new LayerError(
    'ERR_AMBIGUOUS_ID',
    `Cannot remove ${name}: a read-write layer and an image are called so`,
    { data: { name }, hint: `varve rmi ${name} removes the image, and then varve rm the other` },
  )
}

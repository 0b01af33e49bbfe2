import { driverNames } from '../store/drivers.ts'
import { countText } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'

interface Options {
  readonly to: string
  readonly keep?: boolean
}

/** `varve convert --to DRIVER`: the same layers, kept another way. */
export const convert: Verb = (parent, app) => {
  parent
    .command('convert')
    .description('keep all layers with another driver, each with its DiffID')
    .requiredOption('--to <driver>', driverNames.join(', '))
    .option('--keep', 'leave the layers of the old driver where they are')
    .addHelpText(
      'after',
      `
Nothing else may use the store meanwhile. It can be interrupted at any point and begun again, with
--driver for the driver to convert from.`,
    )
    .action(
      app.run(async (context, options: Options) => {
        const { root, driver } = context.options
        const { convert: run } = await import('../store/convert.ts')
        const done = await context.long('register', 'layer', (call) =>
          run({
            ...call,
            root,
            to: options.to,
            ...(driver === undefined ? {} : { from: driver }),
            ...(options.keep === undefined ? {} : { keep: options.keep }),
          }),
        )
        if (context.options.json) {
          await context.out.json(done)
          return undefined
        }
        const parts = [
          countText(done.layers, 'layer'),
          countText(done.readWriteLayers, 'read-write layer'),
          countText(done.images, 'image'),
        ]
        await context.out.line(`converted from ${done.from} to ${done.to}: ${parts.join(', ')}`)
        if (!done.removed) {
          const why = options.keep ? '' : ', since something still uses them'
          context.note(`varve: layers of ${done.from} are left in place${why}`)
        }
        return undefined
      }),
    )
}

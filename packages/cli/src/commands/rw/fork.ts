import { getRW } from '../../store/rw-layers.ts'
import { several, type Verb } from '../../verb.ts'
import { storageOptions } from './storage-options.ts'

interface Options {
  readonly size?: string
  readonly storageOpt?: readonly string[]
}

/** `varve fork NAME NEW`: a second one, which starts where this one is. */
export const fork: Verb = (parent, app) => {
  parent
    .command('fork')
    .description('make a second read-write layer, which starts with the present state of one')
    .argument('<name>', 'a read-write layer')
    .argument('<new>', 'what to call the copy')
    .option('--size <bytes>', 'how much may be written to the copy, as 10G')
    .option('--storage-opt <key=value>', 'an option of the driver', several)
    .action(
      app.run(async (context, name: string, newName: string, options: Options) => {
        const storage = storageOptions(options)
        const { store } = await context.open()
        await using layer = await getRW(store, name)
        await using copy = await layer.fork(newName, {
          signal: context.signal,
          ...(storage ? { storageOptions: storage } : {}),
        })
        const { mountID, parent: on } = copy
        if (context.options.json) await context.out.json({ name: copy.name, mountID, parent: on })
        else await context.out.line(copy.name)
        return undefined
      }),
    )
}

import { newName, originOn, resolveBase, SCRATCH } from '../../store/rw-layers.ts'
import { several, type Verb } from '../../verb.ts'
import { storageOptions } from './storage-options.ts'

interface Options {
  readonly name?: string
  readonly size?: string
  readonly storageOpt?: readonly string[]
}

/** `varve create IMAGE`: a file system of one's own on an image. */
export const create: Verb = (parent, app) => {
  parent
    .command('create')
    .description('make a read-write layer on an image, and print its name')
    .argument('<image>', `tag, id, or ChainID of a layer; "${SCRATCH}" for nothing`)
    .option('-n, --name <name>', 'what to call it (default: made up)')
    .option('--size <bytes>', 'how much may be written, as 10G (overlay2 on xfs or ext4)')
    .option('--storage-opt <key=value>', 'an option of the driver', several)
    .action(
      app.run(async (context, image: string, options: Options) => {
        const storage = storageOptions(options)
        const opened = await context.open({ create: image === SCRATCH })
        const base = await resolveBase(opened, image)
        const now = new Date()
        await using layer = await opened.store.createRW(options.name ?? newName(base), {
          signal: context.signal,
          annotations: originOn(base, now),
          ...(base.chainID ? { parent: base.chainID } : {}),
          ...(storage ? { storageOptions: storage } : {}),
        })
        const { name, mountID, parent: on } = layer
        if (context.options.json) await context.out.json({ name, mountID, parent: on })
        else await context.out.line(name)
        return undefined
      }),
    )
}

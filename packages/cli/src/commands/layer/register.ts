import { asDiffID, type RegisterOptions } from '@varve/core'
import { readFrom, requireFiles } from '../../files.ts'
import { resolveLayer } from '../../store/layers.ts'
import type { Verb } from '../../verb.ts'

interface Options {
  readonly parent?: string
  readonly expect?: string
}

/** `varve layer register [FILE|-]`: a tar becomes a layer. */
export const register: Verb = (parent, app) => {
  parent
    .command('register')
    .description('take a layer tar, also compressed, and print its ChainID')
    .argument('[file]', 'the tar; - for stdin', '-')
    .option('--parent <chainid>', 'the layer it stands on')
    .option('--expect <diffid>', 'refuse it unless its uncompressed tar has this digest')
    .action(
      app.run(async (context, file: string, options: Options) => {
        await requireFiles([file])
        const source = readFrom(context, file)
        const expect = options.expect === undefined ? undefined : asDiffID(options.expect)
        const { store } = await context.open({ create: true })
        const how: Pick<RegisterOptions, 'parent' | 'expect'> = {
          ...(options.parent ? { parent: await resolveLayer(store, options.parent) } : {}),
          ...(expect ? { expect } : {}),
        }
        const { decompress } = await import('@varve/archive')
        const { bytes } = await decompress(source)
        await using layer = await context.long('register', 'layer', (call) =>
          store.register(bytes, { ...how, ...call }),
        )
        const { chainID, diffID, diffSize, size } = layer
        if (context.options.json) await context.out.json({ chainID, diffID, diffSize, size })
        else await context.out.line(chainID)
        return undefined
      }),
    )
}

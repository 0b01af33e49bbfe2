import type { HcsImport } from '@varve/sys'
import { makeParents } from './layer-writer.ts'
import type { Sink } from './sink.ts'
import type { UpperPlace } from './upper-place.ts'

/** Files go to the service one by one (`ImportLayerBegin`), as in Docker 1.11 where it could. */
export async function streamingSink(place: UpperPlace): Promise<Sink> {
  const { hcs, info, id, chain, root } = place
  let open: HcsImport | undefined = await hcs.importLayerBegin?.(info, id, chain)
  const end = async () => {
    const ending = open
    open = undefined
    await ending?.end()
  }
  return {
    add: async (name, fileInfo) => await open?.next(`\\${name}`, fileInfo),
    write: async (bytes) => await open?.write(bytes),
    alias: async (name, target) => {
      await makeParents(root, name)
      await root.removeAll(name)
      await root.link(name, target)
    },
    drop: async (name) => await open?.next(`\\${name}`, undefined),
    async *reopen(name) {
      await using file = await root.open(name, 'read')
      yield* file.backupRead(true)
    },
    async import(hidden) {
      for (const name of hidden) await open?.next(`\\${name}`, undefined)
      await end()
    },
    [Symbol.asyncDispose]: end,
  }
}

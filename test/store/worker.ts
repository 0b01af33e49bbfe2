/**
 * One of many processes that use one store at once: a bounded number of random operations. Each is
 * told on stdout before (`?`) and after (`!`) it is done; the test kills some of us in between.
 *
 * Arguments: store root, name of this worker, number of operations, seed.
 */
import { type Layer, LayerError, type RWLayer } from '@varve/core'
import { openRealStore } from './stack.ts'
import { smallTarOf } from './tars.ts'

const [root = '', worker = '', count = '0', seed = '0'] = process.argv.slice(2)
let state = Number(seed) >>> 0 || 1

/** xorshift32: the same history for the same seed. */
function random(below: number): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

/** What may happen because somebody else was quicker. */
const EXPECTED = new Set(['ERR_LAYER_NOT_FOUND'])

const store = await openRealStore(root)
const layers: Layer[] = []
const mounts = new Map<string, RWLayer>()
let made = 0

async function told(what: string, run: () => Promise<unknown>): Promise<void> {
  process.stdout.write(`? ${what}\n`)
  try {
    await run()
    process.stdout.write(`! ${what}\n`)
  } catch (error) {
    if (!LayerError.is(error) || !EXPECTED.has(error.code)) throw error
    process.stdout.write(`- ${what} ${error.code}\n`)
  }
}

async function operate(): Promise<void> {
  const parent = layers[random(layers.length + 1)]
  switch (random(6)) {
    case 0:
    case 1:
      layers.push(
        await store.register(smallTarOf(random(4)), parent ? { parent: parent.chainID } : {}),
      )
      return
    case 2: {
      const [layer] = layers.splice(random(Math.max(1, layers.length)), 1)
      if (layer) await store.release(layer)
      return
    }
    case 3: {
      const name = `${worker}-${made++}`
      await told(`create ${name} ${parent?.chainID ?? '-'}`, async () => {
        mounts.set(name, await store.createRW(name, parent ? { parent: parent.chainID } : {}))
      })
      return
    }
    case 4: {
      const [name, mount] = [...mounts][random(Math.max(1, mounts.size))] ?? []
      if (!name || !mount) return
      mounts.delete(name)
      await told(`remove ${name}`, () => store.releaseRW(mount))
      return
    }
    default: {
      const [layer] = layers.slice(random(Math.max(1, layers.length)))
      if (layer) for await (const _ of layer.tar());
    }
  }
}

for (let i = 0; i < Number(count); i++) {
  process.stdout.write(`. ${i}\n`)
  await operate()
}
await store[Symbol.asyncDispose]()
process.stdout.write('! done\n')

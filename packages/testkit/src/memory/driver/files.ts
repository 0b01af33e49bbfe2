import { type FileGetter, LayerError } from '@varve/core'
import { raw, textOf } from '../../tar/bytes.ts'
import { lookUp, type Node } from './tree.ts'

/** Payloads out of a tree. */
export function filesOf(root: Node): FileGetter {
  return {
    async *open(name, size) {
      const node = find(root, raw(name))
      if (node?.type !== 'file' || node.data.length !== size) {
        throw new LayerError(
          'ERR_CORRUPT_LAYER',
          `Cannot read ${JSON.stringify(textOf(raw(name)))}: no file of ${size} bytes there`,
        )
      }
      yield node.data
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

/** A name that leads out of the layer is a name of nothing in it. */
function find(root: Node, name: string): Node | undefined {
  try {
    return lookUp(root, name)
  } catch (error) {
    if (LayerError.is(error, 'ERR_UNSAFE_PATH')) return undefined
    throw error
  }
}

import { S } from '../tree/files.ts'
import { ROOT, type Tree } from '../tree/tree.ts'

/** The layer made or entered it, or only something beneath it. */
const TOUCHED = 1
/** Nothing beneath comes from a lower layer: it is new, or what was there has been removed. */
const PURE = 2

/** Which names are the work of the layer at hand: a whiteout hides those of lower layers only. */
export class LayerMarks {
  readonly #tree: Tree

  constructor(tree: Tree) {
    this.#tree = tree
    tree.names.mark.fill(0)
    tree.names.mark[ROOT] = TOUCHED
  }

  /** Notes that the layer wrote this; `fresh` if nothing of a lower layer can be beneath. */
  wrote(name: number, fresh: boolean): void {
    const { mark, parent } = this.#tree.names
    if (fresh || mark[name] === 0) mark[name] = fresh ? PURE : TOUCHED
    for (let up = parent[name] as number; mark[up] === 0; up = parent[up] as number) {
      mark[up] = TOUCHED
    }
  }

  /** Removes what lower layers have under a name. */
  removeLower(name: number): void {
    if (this.#tree.names.mark[name] === 0) this.#tree.unlink(name)
    else if (this.#tree.typeOf(name) === S.IFDIR) this.removeLowerChildren(name)
  }

  /** Removes what lower layers have in a directory; what is in it of this layer stays. */
  removeLowerChildren(directory: number): void {
    const { names } = this.#tree
    // Once is enough: what comes into a pure directory later is this layer's.
    if (names.mark[directory] === PURE) return
    for (const child of names.children(directory)) this.removeLower(child)
    this.wrote(directory, true)
  }
}

import { LayerError } from '@varve/core'
import { type Raw, textOf } from '../../tar/bytes.ts'
import type { ItemType } from '../../tar/read.ts'

/** What a name can stand for; a hard link is a second name of one of these. */
export type NodeType = Exclude<ItemType, 'hardlink'>

/** A file, directory or anything else that has a name. */
export interface Node {
  type: NodeType
  mode: number
  uid: number
  gid: number
  /** Nanoseconds since 1970. */
  mtime: bigint
  xattrs: ReadonlyMap<string, Uint8Array>
  /** A file's bytes; never changed in place, so that copies of a tree may share them. */
  data: Uint8Array
  /** A symlink's target. */
  link: Raw
  device: string
  /** A directory's names. */
  readonly children: Map<Raw, Node>
}

/** The parents that an entry's name leads to, and its last component (`''` for the root). */
export interface Place {
  readonly dir: Node
  readonly name: Raw
  /** The directories from the root down to `dir`. */
  readonly trail: readonly Node[]
}

const MAX_COMPONENTS = 4096
const MAX_LINKS = 40

/** A node with nothing special about it. */
export function newNode(type: NodeType, mode: number): Node {
  return {
    type,
    mode,
    uid: 0,
    gid: 0,
    mtime: 0n,
    xattrs: new Map(),
    data: new Uint8Array(0),
    link: '',
    device: '',
    children: new Map(),
  }
}

/** A copy that shares nothing that can change; names of one node are names of one copy. */
export function copyTree(node: Node, seen: Map<Node, Node> = new Map()): Node {
  const known = seen.get(node)
  if (known) return known
  const children = new Map<Raw, Node>()
  const copy: Node = { ...node, children }
  seen.set(node, copy)
  for (const [name, child] of node.children) children.set(name, copyTree(child, seen))
  return copy
}

/** Every node below `root` with its path (no leading slash), in the order of raw paths. */
export function* walk(root: Node, prefix: Raw = ''): Generator<[Raw, Node]> {
  for (const name of [...root.children.keys()].sort()) {
    const node = root.children.get(name) as Node
    yield [prefix + name, node]
    yield* walk(node, `${prefix}${name}/`)
  }
}

/** Components of a name as Go's path.Clean leaves them. @throws LayerError `ERR_UNSAFE_PATH` */
export function componentsOf(name: Raw): Raw[] {
  const parts: Raw[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part.includes('\0')) throw unsafe(name)
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) throw unsafe(name)
  }
  if (parts.length > MAX_COMPONENTS) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot use a name of ${parts.length} components`)
  }
  return parts
}

export function unsafe(name: Raw): LayerError {
  return new LayerError(
    'ERR_UNSAFE_PATH',
    `Cannot use ${JSON.stringify(textOf(name).slice(0, 200))}: it leads out of the layer`,
  )
}

/**
 * Where a name leads, with the rules of chroot: links on the way are followed and start again at
 * the root, the last component is not followed.
 *
 * @param make makes missing directories (0755, root's)
 * @returns undefined if there is no such directory
 * @throws LayerError `ERR_INVALID_TAR` if something on the way is no directory
 */
export function placeOf(root: Node, name: Raw, make: boolean): Place | undefined {
  const todo = componentsOf(name)
  const last = todo.pop()
  if (last === undefined) return { dir: root, name: '', trail: [root] }
  const trail: Node[] = [root]
  let links = 0
  while (todo.length > 0) {
    const part = todo.shift() as Raw
    const dir = trail.at(-1) as Node
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (trail.length > 1) trail.pop()
      continue
    }
    let next = dir.children.get(part)
    if (!next) {
      if (!make) return undefined
      next = newNode('dir', 0o755)
      dir.children.set(part, next)
    }
    if (next.type === 'symlink') {
      if (++links > MAX_LINKS) throw unsafe(name)
      if (next.link.startsWith('/')) trail.length = 1
      todo.unshift(...next.link.split('/'))
    } else if (next.type === 'dir') {
      trail.push(next)
    } else {
      if (!make) return undefined
      throw new LayerError(
        'ERR_INVALID_TAR',
        `Cannot apply ${JSON.stringify(textOf(name))}: a file is where a directory must be`,
      )
    }
  }
  return { dir: trail.at(-1) as Node, name: last, trail }
}

/** What a name stands for, not following its last component. */
export function lookUp(root: Node, name: Raw): Node | undefined {
  const place = placeOf(root, name, false)
  if (!place) return undefined
  return place.name === '' ? root : place.dir.children.get(place.name)
}

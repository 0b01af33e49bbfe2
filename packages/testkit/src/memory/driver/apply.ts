/** A layer tar applied to a tree: the rules of OCI's layer format, each in its shortest form. */
import { type ByteSource, type CallOptions, type DisplacedFile, LayerError } from '@varve/core'
import { bytesOf, type Raw, textOf } from '../../tar/bytes.ts'
import { invalid } from '../../tar/fields.ts'
import { readTar, type TarItem } from '../../tar/read.ts'
import { lookUp, type Node, newNode, type Place, placeOf, unsafe } from './tree.ts'

const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
/** Regular files here are what hard links of an AUFS layer refer to. */
const AUFS_LINKS = '.wh..wh.plnk'

/** What applying a tar did to a tree. */
export interface Applied {
  /** Sum of the sizes in all headers, as Docker's vfs counts. */
  readonly size: number
  readonly displaced: readonly DisplacedFile[]
}

/** Applies `tar` to `root` in place. @throws LayerError as `Driver.applyDiff` */
export async function applyTo(
  root: Node,
  tar: ByteSource,
  options: CallOptions = {},
): Promise<Applied> {
  const run = new Application(root)
  for await (const item of readTar(tar, options)) run.take(item)
  return { size: run.size, displaced: run.displaced() }
}

class Application {
  size = 0
  readonly #root: Node
  /** What this tar made, directories on the way included: an opaque mark spares it. */
  readonly #made = new Set<Node>()
  readonly #aufs = new Map<Raw, TarItem>()
  readonly #payloads: TarItem[] = []

  constructor(root: Node) {
    this.#root = root
  }

  take(item: TarItem): void {
    this.size += item.size
    if (item.type === 'file' && item.data.length > 0) this.#payloads.push(item)
    check(item)
    const name = item.name.split('/').findLast((part) => part !== '' && part !== '.') ?? ''
    if (this.#isAufs(item, name)) return
    if (name === OPAQUE) this.#opaque(item)
    else if (name.startsWith(WHITEOUT)) this.#whiteout(item, name.slice(WHITEOUT.length))
    else this.#put(item)
  }

  displaced(): DisplacedFile[] {
    const counts = new Map<Raw, number>()
    const gone: DisplacedFile[] = []
    for (const { name, data } of this.#payloads) {
      const occurrence = counts.get(name) ?? 0
      counts.set(name, occurrence + 1)
      const node = lookUp(this.#root, name)
      if (node?.type === 'file' && node.data === data) continue
      gone.push({ name: bytesOf(name), occurrence, size: data.length, open: () => [data] })
    }
    return gone
  }

  #isAufs(item: TarItem, name: Raw): boolean {
    const parts = item.name.split('/').filter((part) => part !== '' && part !== '.')
    const top = parts[0] ?? ''
    if (!top.startsWith('.wh..wh.') || top === OPAQUE) return false
    if (top === AUFS_LINKS && item.type === 'file') this.#aufs.set(name, item)
    return true
  }

  #opaque(item: TarItem): void {
    const place = placeOf(this.#root, item.name, true)
    if (!place) return
    this.#note(place)
    this.#clear(place.dir)
  }

  /** Removes what lies below `dir` and is not of this layer. */
  #clear(dir: Node): void {
    for (const [name, child] of [...dir.children]) {
      if (!this.#made.has(child)) dir.children.delete(name)
      else if (child.type === 'dir') this.#clear(child)
    }
  }

  #whiteout(item: TarItem, target: Raw): void {
    if (target === '' || target === '.' || target === '..') throw unsafe(item.name)
    const place = placeOf(this.#root, item.name, false)
    const node = place?.dir.children.get(target)
    if (!place || !node) return
    if (!this.#made.has(node)) place.dir.children.delete(target)
    else if (node.type === 'dir') this.#clear(node)
  }

  #put(item: TarItem): void {
    const place = placeOf(this.#root, item.name, true)
    if (!place) throw unsafe(item.name)
    this.#note(place)
    if (place.name === '') {
      if (item.type !== 'dir') throw invalid('the root must be a directory')
      describe(this.#root, item)
      return
    }
    const old = place.dir.children.get(place.name)
    const node = this.#node(item, old)
    if (node !== old) place.dir.children.set(place.name, node)
    this.#made.add(node)
    if (node.type !== 'symlink' || item.type !== 'hardlink') describe(node, item)
  }

  #node(item: TarItem, old: Node | undefined): Node {
    if (item.type === 'dir') return old?.type === 'dir' ? old : newNode('dir', item.mode)
    if (item.type === 'hardlink') return this.#linked(item)
    const node = newNode(item.type, item.mode)
    node.data = item.data
    node.link = item.link
    if (item.type === 'char' || item.type === 'block') node.device = `${item.major}:${item.minor}`
    return node
  }

  #linked(item: TarItem): Node {
    const aufs = item.link.startsWith(`${AUFS_LINKS}/`)
      ? this.#aufs.get(item.link.slice(AUFS_LINKS.length + 1))
      : undefined
    if (aufs) return Object.assign(newNode('file', aufs.mode), { data: aufs.data })
    const node = lookUp(this.#root, item.link)
    if (!node) {
      throw invalid(`hard link ${textOf(item.name)} has no target ${textOf(item.link)}`)
    }
    if (node.type === 'dir') throw invalid(`hard link ${textOf(item.name)} to a directory`)
    return node
  }

  /** Marks the directories on the way as this layer's. */
  #note(place: Place): void {
    for (const dir of place.trail) if (dir !== this.#root) this.#made.add(dir)
  }
}

function describe(node: Node, item: TarItem): void {
  node.mode = item.mode
  node.uid = Number(item.uid)
  node.gid = Number(item.gid)
  // Times before 1970 become 0, as in moby and containerd.
  node.mtime = item.mtime < 0n ? 0n : item.mtime
  node.xattrs = item.xattrs
}

function check(item: TarItem): void {
  for (const id of [item.uid, item.gid]) {
    // 2^32 - 1 is how chown says "leave it".
    if (id < 0n || id >= 0xffff_ffffn) throw invalid(`there is no user or group ${id}`)
  }
  if (item.type !== 'char' && item.type !== 'block') return
  for (const number of [item.major, item.minor]) {
    if (number < 0n || number > 0xffff_ffffn) throw invalid(`there is no device ${number}`)
  }
  if (item.type === 'char' && item.major === 0n && item.minor === 0n) {
    throw new LayerError('ERR_INVALID_TAR', 'Cannot apply a device 0:0: overlayfs hides files so')
  }
}

/** A tree as a real directory, and a directory as a tree. */
import { Buffer, isUtf8 } from 'node:buffer'
import type { BigIntStats } from 'node:fs'
import {
  chmod,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Raw, raw } from '../../tar/bytes.ts'
import { type Node, newNode } from './tree.ts'

/** What a path was when the tree was written out, to see later whether somebody changed it. */
interface Seen {
  readonly node: Node
  readonly stamp: string
}

const asRoot = process.getuid?.() === 0

/** A directory that shows a tree and takes changes made there back into it. */
export class TreeDirectory {
  readonly path: string
  #seen = new Map<Raw, Seen>()

  private constructor(path: string) {
    this.path = path
  }

  static async create(root: Node): Promise<TreeDirectory> {
    const directory = new TreeDirectory(join(await mkdtemp(join(tmpdir(), 'varve-memory-')), 'fs'))
    await directory.write(root)
    return directory
  }

  /** Shows this tree from now on. */
  async write(root: Node): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
    this.#seen = new Map()
    await this.#writeNode(root, '', new Map())
    await this.#note(root, '')
  }

  /** The tree as it is now: what nobody changed is as it was, metadata of every kind included. */
  async read(root: Node): Promise<Node> {
    return await this.#readNode(root, '', new Map())
  }

  async remove(): Promise<void> {
    await rm(join(this.path, '..'), { recursive: true, force: true })
  }

  #at(path: Raw): string | Buffer {
    return native(raw(this.path) + path)
  }

  async #writeNode(node: Node, path: Raw, links: Map<Node, Raw>): Promise<void> {
    if (!isShown(node)) return
    const at = this.#at(path)
    const first = links.get(node)
    if (first !== undefined) return await link(this.#at(first), at)
    links.set(node, path)
    if (node.type === 'file') await writeFile(at, node.data, { flag: 'wx' })
    else if (node.type === 'symlink') await symlink(native(node.link), at)
    else await mkdir(at)
    for (const [name, child] of node.children) {
      await this.#writeNode(child, `${path}/${name}`, links)
    }
    if (asRoot) await lchown(at, node.uid, node.gid)
    if (node.type !== 'symlink') await chmod(at, node.mode)
    const seconds = Number(node.mtime) / 1e9
    await lutimes(at, seconds, seconds)
  }

  async #note(node: Node, path: Raw): Promise<void> {
    if (!isShown(node)) return
    this.#seen.set(path, { node, stamp: stampOf(await lstat(this.#at(path), { bigint: true })) })
    for (const [name, child] of node.children) await this.#note(child, `${path}/${name}`)
  }

  async #readNode(old: Node | undefined, path: Raw, inodes: Map<bigint, Node>): Promise<Node> {
    const at = this.#at(path)
    const stat = await lstat(at, { bigint: true })
    const known = stat.isDirectory() ? undefined : inodes.get(stat.ino)
    if (known) return known
    const seen = this.#seen.get(path)
    const unchanged = seen !== undefined && seen.stamp === stampOf(stat)
    const node = unchanged
      ? { ...seen.node, children: new Map() }
      : await this.#fresh(at, stat, old)
    if (!stat.isDirectory()) inodes.set(stat.ino, node)
    if (node.type === 'dir') await this.#readChildren(node, old, path, inodes)
    return node
  }

  async #readChildren(
    node: Node,
    old: Node | undefined,
    path: Raw,
    inodes: Map<bigint, Node>,
  ): Promise<void> {
    for (const entry of await readdir(this.#at(path), { encoding: 'buffer' })) {
      const name = raw(entry)
      const child = await this.#readNode(old?.children.get(name), `${path}/${name}`, inodes)
      node.children.set(name, child)
    }
    // Devices and pipes cannot be shown without help from native code, nor be deleted then.
    for (const [name, child] of old?.children ?? []) {
      if (!isShown(child) && !node.children.has(name)) node.children.set(name, child)
    }
  }

  async #fresh(at: string | Buffer, stat: BigIntStats, old: Node | undefined): Promise<Node> {
    const type = typeOf(stat)
    const node = newNode(type, Number(stat.mode & 0o7777n))
    node.uid = Number(stat.uid)
    node.gid = Number(stat.gid)
    node.mtime = stat.mtimeNs
    if (!asRoot && old) Object.assign(node, { uid: old.uid, gid: old.gid })
    if (old?.type === type) node.xattrs = old.xattrs
    if (type === 'file') node.data = new Uint8Array(await readFile(at))
    if (type === 'symlink') node.link = raw(await readlink(at, { encoding: 'buffer' }))
    if (type === 'char' || type === 'block') node.device = String(stat.rdev)
    return node
  }
}

/** Bytes only where text will not do: not every runtime takes them everywhere. */
function native(path: Raw): string | Buffer {
  const bytes = Buffer.from(path, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes
}

function isShown(node: Node): boolean {
  return ['file', 'dir', 'symlink'].includes(node.type)
}

function typeOf(stat: BigIntStats): Node['type'] {
  if (stat.isDirectory()) return 'dir'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isFIFO()) return 'fifo'
  if (stat.isCharacterDevice()) return 'char'
  return stat.isBlockDevice() ? 'block' : 'file'
}

function stampOf(stat: BigIntStats): string {
  // A directory's times and link count change with its names.
  const changing = stat.isDirectory() ? [] : [stat.size, stat.mtimeNs, stat.ctimeNs]
  return [stat.ino, stat.mode, stat.uid, stat.gid, ...changing].join(' ')
}

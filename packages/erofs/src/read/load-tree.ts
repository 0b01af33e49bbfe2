import { corrupt } from '../fault.ts'
import { type Inode, LAYOUT } from '../format/inode.ts'
import type { DeviceSlot } from '../format/superblock.ts'
import type { ByteRanges } from '../storage.ts'
import { addExtent, type Extent, HELD, S } from '../tree/files.ts'
import { NONE, ROOT, Tree } from '../tree/tree.ts'
import { Inodes, type Run } from './inodes.ts'
import { Pages } from './pages.ts'
import { readHead } from './superblock.ts'

const BLOCK = 512
/** As many as `writeErofs` writes for one file. */
const MAX_RUNS = 2 ** 21
const LONGEST_TARGET = 4095

/** How {@link loadTree} works. */
export interface LoadTreeOptions {
  /** What the next image calls this one; see `DeviceSlot`. Default: nothing. */
  readonly tag?: string
  /** Files that there may be. Default 8,388,608. */
  readonly maxFiles?: number
}

/**
 * Reads the whole tree of an image that {@link writeErofs} wrote, without contents, so that another
 * layer can be written on top.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`, and `ERR_LIMIT_EXCEEDED` for more files than that
 *
 * @example
 * ```ts
 * import { loadTree, memoryFile, writeErofs } from '@varve/erofs'
 *
 * const [base, top] = [memoryFile(), memoryFile()]
 * await writeErofs(base, [new Uint8Array(1024)])
 * const below = await loadTree(base, { tag: 'base' })
 * const { tree } = await writeErofs(top, [new Uint8Array(1024)], { below })
 * console.assert(tree.devices[0]?.tag === 'base')
 * ```
 */
export async function loadTree(source: ByteRanges, options: LoadTreeOptions = {}): Promise<Tree> {
  const { superblock, devices } = await readHead(source)
  if (superblock.blockBits !== 9) throw corrupt('its blocks are not those of a tar')
  const own = { tag: options.tag ?? '', blocks: superblock.blocks }
  const tree = new Tree([...devices, own], options.maxFiles)
  const pages = new Pages(source)
  const loader = new Loader(tree, pages, new Inodes(pages, superblock, devices), devices)
  await loader.load(superblock.rootNid)
  return tree
}

class Loader {
  readonly #tree: Tree
  readonly #pages: Pages
  readonly #inodes: Inodes
  readonly #devices: readonly DeviceSlot[]
  /** Files with several names, and all directories, by nid. */
  readonly #known = new Map<number, number>()

  constructor(tree: Tree, pages: Pages, inodes: Inodes, devices: readonly DeviceSlot[]) {
    this.#tree = tree
    this.#pages = pages
    this.#inodes = inodes
    this.#devices = devices
  }

  async load(rootNid: number): Promise<void> {
    const { names, files } = this.#tree
    const root = await this.#pages.run(() => this.#inodes.inode(rootNid))
    if ((root.mode & S.IFMT) !== S.IFDIR) throw corrupt('its root is no directory')
    const ahead: { name: number; nid: number; inode: Inode }[] = []
    await this.#describe(names.file[ROOT] as number, rootNid, root)
    this.#known.set(rootNid, ROOT)
    ahead.push({ name: ROOT, nid: rootNid, inode: root })
    for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
      const { name: directory, nid, inode } = next
      for (let block = 0; block < this.#inodes.blocksOf(inode); block++) {
        const dirents = await this.#pages.run(() => this.#inodes.dirents(nid, inode, block))
        for (const { name, nid: child } of dirents) {
          if (isDots(name)) continue
          if (names.find(directory, name, 0, name.length) !== NONE) {
            throw corrupt('a directory has a name twice')
          }
          const found = await this.#pages.run(() => this.#inodes.inode(child))
          const isDirectory = (found.mode & S.IFMT) === S.IFDIR
          const known = this.#known.get(child)
          if (isDirectory && known !== undefined) throw corrupt('a directory has two names')
          const file = known ?? (await this.#add(child, found))
          if (isDirectory || found.links > 1) this.#known.set(child, file)
          const made = this.#tree.link(directory, name, 0, name.length, file)
          if (isDirectory) ahead.push({ name: made, nid: child, inode: found })
        }
      }
    }
    files.links[names.file[ROOT] as number] = 0
  }

  async #add(nid: number, inode: Inode): Promise<number> {
    const file = this.#tree.files.add({ mode: 0, uid: 0, gid: 0, sec: 0, nsec: 0 })
    await this.#describe(file, nid, inode)
    return file
  }

  async #describe(file: number, nid: number, inode: Inode): Promise<void> {
    const { files, targets, xattrs } = this.#tree
    const { mode, uid, gid, sec, nsec, size, u } = inode
    files.set(file, { mode, uid, gid, sec, nsec })
    if (inode.xattrCount > 0) {
      files.xattrs[file] = xattrs.add(await this.#pages.run(() => this.#inodes.xattrs(nid, inode)))
    }
    switch (mode & S.IFMT) {
      case S.IFDIR:
      case S.IFIFO:
        return
      case S.IFCHR:
      case S.IFBLK:
        files.data[file] = u
        return
      case S.IFLNK: {
        if (size > LONGEST_TARGET) throw corrupt('a link leads nowhere')
        const bytes = await this.#pages.run(() => this.#inodes.metadata(nid, inode, 0, size))
        files.size[file] = size
        files.data[file] = targets.add(bytes, 0, size)
        return
      }
      case S.IFREG:
        files.size[file] = size
        if (size > 0) await this.#content(file, nid, inode)
        return
      default:
        throw corrupt('a file is of no known type')
    }
  }

  async #content(file: number, nid: number, inode: Inode): Promise<void> {
    const { files } = this.#tree
    const { size } = inode
    if (inode.layout === LAYOUT.plain) {
      const [device, block] = this.#placeOf(this.#inodes.run(nid, inode, 0), size)
      files.device[file] = device
      files.data[file] = block
      return
    }
    if (inode.layout !== LAYOUT.chunks) throw corrupt('a file is not where tars have it')
    const extents: Extent[] = []
    let count = 0
    for (let offset = 0; offset < size; ) {
      const at = offset
      const run = await this.#pages.run(() => this.#inodes.run(nid, inode, at))
      if (++count > MAX_RUNS) throw corrupt('a file has too many pieces')
      if (run.place) {
        const [device, block] = this.#placeOf(run, Math.min(run.length, size - offset))
        if (extents.length > 0 && files.device[file] !== device) {
          throw corrupt('a file is on two devices')
        }
        files.device[file] = device
        const blocks = Math.ceil(Math.min(run.length, size - offset) / BLOCK)
        addExtent(extents, { from: offset / BLOCK, blocks, at: block })
      }
      offset += run.length
    }
    files.held[file] = HELD.pieces
    files.data[file] = files.extents.length
    files.extents.push(extents)
  }

  /** Device, as the tree counts, and block of a run. */
  #placeOf({ place, length }: Run, wanted: number): readonly [device: number, block: number] {
    if (!place || length < wanted) throw corrupt('a file is not where tars have it')
    const device = place.device === -1 ? this.#devices.length : place.device
    const block = place.position / BLOCK
    const { blocks } = this.#tree.devices[device] ?? { blocks: 0 }
    if (block + Math.ceil(wanted / BLOCK) > blocks) throw corrupt('a file lies beyond its end')
    return [device, block]
  }
}

/** `.` and `..`, in the directory itself. */
export function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === 0x2e)
}

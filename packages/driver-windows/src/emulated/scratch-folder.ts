import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isThere } from '@varve/trees'
import { type Difference, volumeDifferences } from './difference.ts'
import { EmulatedRoot } from './emulated-fs.ts'
import { copyTree, layOut, looksOf } from './layer-files.ts'

/** A scratch layer's disk: here only its size, and that it is one. */
const DISK = 'sandbox.vhdx'
const VOLUME = 'volume'
/** How the volume looked when it was laid out. */
const BASELINE = 'baseline.json'
/** The size of a base image's empty disk, which scratch layers begin as copies of. */
const DEFAULT_SIZE = 20n * 2n ** 30n

/** Whether a layer's folder is that of a scratch layer. */
export async function isScratch(dir: string): Promise<boolean> {
  return await isThere(join(dir, DISK))
}

/** Bytes in a sector of a disk. */
export const SECTOR = 512n

/** What is known of a scratch layer's disk. */
export interface Disk {
  /** A disk in the place of another is another one. */
  readonly id: string
  /** In bytes. */
  readonly size: bigint
  /** How many of them the file system uses. */
  readonly fileSystem: bigint
}

/** A disk that nobody has asked for another size of. */
export function newDisk(): Disk {
  return { id: randomUUID(), size: DEFAULT_SIZE, fileSystem: DEFAULT_SIZE }
}

export async function writeDisk(dir: string, { id, size, fileSystem }: Disk): Promise<void> {
  const text = JSON.stringify({ id, size: String(size), fileSystem: String(fileSystem) })
  await writeFile(join(dir, DISK), text)
}

export async function readDisk(dir: string): Promise<Disk> {
  const disk = JSON.parse(await readFile(join(dir, DISK), 'utf8')) as Record<keyof Disk, string>
  return { id: disk.id, size: BigInt(disk.size), fileSystem: BigInt(disk.fileSystem) }
}

/** Where programs see its files, once it was prepared. */
export function volumeOf(dir: string): string {
  return join(dir, VOLUME)
}

/** Makes the volume at the first time, of the files of the layer beneath. */
export async function prepareVolume(dir: string, below: string): Promise<void> {
  if (await readBaseline(dir)) return
  // What an interrupted call left is not whole, and that of another disk is not this one's.
  await rm(volumeOf(dir), { recursive: true, force: true })
  const looks = await layOut(new EmulatedRoot(below), 'Files', volumeOf(dir))
  await writeBaseline(dir, looks)
}

/** What was changed in the volume; nothing in one that was never prepared. */
export async function* scratchDifferences(dir: string): AsyncGenerator<Difference> {
  const looks = await readBaseline(dir)
  if (looks) yield* volumeDifferences(volumeOf(dir), looks)
}

/** Gives a scratch layer the disk of another one: what was changed in that is changed in this. */
export async function copyScratch(from: string, to: string): Promise<void> {
  await rm(join(to, BASELINE), { force: true })
  await rm(volumeOf(to), { recursive: true, force: true })
  const looks = await readBaseline(from)
  await writeDisk(to, { ...(await readDisk(from)), id: randomUUID() })
  if (!looks) return
  await copyTree(volumeOf(from), volumeOf(to))
  const now = new Map<string, string>()
  for await (const [path, look] of looksOf(volumeOf(from))) now.set(path, look)
  const copied: Record<string, string> = { ...looks }
  // What was as it was laid out is so in the copy, too.
  for await (const [path, look] of looksOf(volumeOf(to))) {
    if (now.get(path) === looks[path]) copied[path] = look
  }
  await writeBaseline(to, copied)
}

/** How the volume of the present disk looked when it was laid out; undefined if it never was. */
async function readBaseline(dir: string): Promise<Record<string, string> | undefined> {
  if (!(await isThere(join(dir, BASELINE)))) return undefined
  const text = await readFile(join(dir, BASELINE), 'utf8')
  const { disk, looks } = JSON.parse(text) as { disk: string; looks: Record<string, string> }
  return disk === (await readDisk(dir)).id ? looks : undefined
}

async function writeBaseline(dir: string, looks: Record<string, string>): Promise<void> {
  const { id: disk } = await readDisk(dir)
  await writeFile(join(dir, BASELINE), JSON.stringify({ disk, looks }))
}

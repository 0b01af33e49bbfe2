import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isThere } from '@varve/trees'
import { type Difference, volumeDifferences } from './difference.ts'
import { EmulatedRoot } from './emulated-fs.ts'
import { layOut } from './layer-files.ts'

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

/** What is known of a scratch layer's disk, in bytes. */
export interface Disk {
  readonly size: bigint
  /** How much of it the file system uses. */
  readonly fileSystem: bigint
}

/** The disk of a scratch layer that nobody has asked for another size of. */
export const NEW_DISK: Disk = { size: DEFAULT_SIZE, fileSystem: DEFAULT_SIZE }

export async function writeDisk(dir: string, { size, fileSystem }: Disk): Promise<void> {
  const text = JSON.stringify({ size: String(size), fileSystem: String(fileSystem) })
  await writeFile(join(dir, DISK), text)
}

export async function readDisk(dir: string): Promise<Disk> {
  const disk = JSON.parse(await readFile(join(dir, DISK), 'utf8')) as Record<keyof Disk, string>
  return { size: BigInt(disk.size), fileSystem: BigInt(disk.fileSystem) }
}

/** Where programs see its files, once it was prepared. */
export function volumeOf(dir: string): string {
  return join(dir, VOLUME)
}

/** Makes the volume at the first time, of the files of the layer beneath. */
export async function prepareVolume(dir: string, below: string): Promise<void> {
  const baseline = join(dir, BASELINE)
  if (await isThere(baseline)) return
  // What an interrupted call left is not whole.
  await rm(volumeOf(dir), { recursive: true, force: true })
  const looks = await layOut(new EmulatedRoot(below), 'Files', volumeOf(dir))
  await writeFile(baseline, JSON.stringify(looks))
}

/** What was changed in the volume; nothing in one that was never prepared. */
export async function* scratchDifferences(dir: string): AsyncGenerator<Difference> {
  const baseline = join(dir, BASELINE)
  if (await isThere(baseline)) yield* volumeDifferences(volumeOf(dir), baseline)
}

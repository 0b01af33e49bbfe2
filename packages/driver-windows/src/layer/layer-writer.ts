import { LayerError } from '@varve/core'
import type { FileBasicInfo, WinRoot } from '@varve/sys'
import { ATTRIBUTE } from '../codec/file-info.ts'

/**
 * A layer in the making, file by file. Names have backslashes and begin at the layer's folder; they
 * were found safe. Disposing of it before `close` leaves nothing but what `remove` of the layer takes.
 */
export interface LayerWriter extends AsyncDisposable {
  /** Begins a file, in place of what had its name. */
  add(name: string, info: FileBasicInfo): Promise<void>
  /** More of its backup stream. */
  write(bytes: Uint8Array): Promise<void>
  /** One more name for a file of this layer or of one beneath. */
  addLink(name: string, target: string): Promise<void>
  /** Hides what lower layers have by this name, and nothing of this layer's. */
  hide(name: string): Promise<void>
  /** The backup stream of a file that was added, whatever name it was under since. */
  reopen(name: string): AsyncIterable<Uint8Array>
  /** Makes it a layer. */
  close(): Promise<void>
}

/** What Windows changes when it makes a bootable image of `UtilityVM`, and where moby keeps it. */
const BOOT = 'UtilityVM\\Files\\EFI\\Microsoft\\Boot'
export const BACKUPS: ReadonlyMap<string, string> = new Map([
  [`${BOOT}\\BCD`, 'bcd.bak'],
  [`${BOOT}\\BCD.LOG`, 'bcd.log.bak'],
  [`${BOOT}\\BCD.LOG1`, 'bcd.log1.bak'],
  [`${BOOT}\\BCD.LOG2`, 'bcd.log2.bak'],
])

/** The directory that a name is in; empty for the layer's folder. */
export function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('\\')))
}

/** Makes the directories on the way to a name, where they are missing. */
export async function makeParents(root: WinRoot, name: string): Promise<void> {
  const parent = parentOf(name)
  if (parent === '') return
  const there = await root.stat(parent)
  if (there === undefined) {
    await makeParents(root, parent)
    await root.mkdir(parent)
  } else if (!isOpenDirectory(there.info)) {
    throw notInDirectory(name, parent)
  }
}

/** `ERR_INVALID_TAR` for a name behind a file or link: it would land where that leads. */
export function notInDirectory(name: string, parent: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot apply ${name}: ${parent} is no directory`, {
    data: { name, parent },
  })
}

/** Whether it is a directory that files can be put in. */
export function isOpenDirectory({ attributes }: FileBasicInfo): boolean {
  return (attributes & (ATTRIBUTE.directory | ATTRIBUTE.reparsePoint)) === ATTRIBUTE.directory
}

/** Makes room for a file: what has its name goes, unless both are directories. */
export async function makeRoom(root: WinRoot, name: string, info: FileBasicInfo): Promise<boolean> {
  await makeParents(root, name)
  const there = await root.stat(name)
  if (there === undefined) return false
  if (isOpenDirectory(info) && isOpenDirectory(there.info)) return true
  await root.removeAll(name)
  return false
}

/** Gives directories the times that they had before files were put in them, deepest first. */
export async function reapplyTimes(
  root: WinRoot,
  directories: ReadonlyMap<string, FileBasicInfo>,
): Promise<void> {
  const deepestFirst = [...directories].sort(([a], [b]) => b.length - a.length)
  for (const [name, info] of deepestFirst) {
    const there = await root.stat(name)
    if (!there || !isOpenDirectory(there.info)) continue
    await using directory = await root.open(name, 'write')
    await directory.setInfo(info)
  }
}

/** Whether `name` is `top` or beneath it. */
export function isWithin(name: string, top: string): boolean {
  return name === top || name.startsWith(`${top}\\`)
}

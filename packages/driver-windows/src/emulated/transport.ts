import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type FileBasicInfo, HcsError, HRESULT, type WinRoot } from '@varve/sys'
import { ATTRIBUTE } from '../codec/file-info.ts'
import {
  DIRECTORY_SUFFIX,
  encodeTombstones,
  parseTombstones,
  TOMBSTONES,
} from '../layer/transport-format.ts'
import type { Difference } from './difference.ts'
import { META } from './emulated-fs.ts'
import { isPlainDirectory, parentName, walk } from './layer-files.ts'

/**
 * Writes differences into a folder in the form that `ExportLayer` gives.
 *
 * @param tp4 without attributes before the streams, and as ordinary files, for an ordinary tar
 */
export async function writeTransport(
  folder: WinRoot,
  differences: AsyncIterable<Difference>,
  tp4: boolean,
): Promise<void> {
  const tombstones: string[] = []
  for await (const { name, file } of differences) {
    if (!file) {
      tombstones.push(name)
      continue
    }
    await makeParents(folder, name)
    const inHives = !name.startsWith('Files\\')
    let path = name
    if (isPlainDirectory(file.info)) {
      if ((await folder.stat(name)) === undefined) await folder.mkdir(name)
      path = name + DIRECTORY_SUFFIX
    }
    await using copy = await folder.create(path)
    if (inHives) {
      for await (const bytes of file.open()) await copy.backupWrite(bytes, true)
    } else {
      const attributes = new Uint8Array(4)
      new DataView(attributes.buffer).setUint32(0, file.info.attributes, true)
      if (!tp4) await copy.write(attributes)
      for await (const bytes of file.open()) await copy.write(bytes)
    }
    await copy.setInfo({ ...file.info, attributes: file.info.attributes & ~0x410 || 0x80 })
  }
  {
    await using list = await folder.create(TOMBSTONES)
    await list.write(encodeTombstones(tombstones))
  }
  if (tp4) await rm(join(folder.path, META), { recursive: true, force: true })
}

async function makeParents(folder: WinRoot, name: string): Promise<void> {
  const parent = parentName(name)
  if (parent === '.' || (await folder.stat(parent))) return
  await makeParents(folder, parent)
  await folder.mkdir(parent)
}

/** Puts what a folder of that form holds on top of a layer's files. */
export async function readTransport(folder: WinRoot, layer: WinRoot, tp4: boolean): Promise<void> {
  if (await folder.stat(TOMBSTONES)) {
    await using list = await folder.open(TOMBSTONES, 'read')
    const bytes: Uint8Array[] = []
    for await (const part of list.read()) bytes.push(part)
    for (const name of parseTombstones(Buffer.concat(bytes))) await layer.removeAll(name)
  }
  for (const top of ['Files', 'Hives']) {
    if ((await folder.stat(top)) === undefined) continue
    if ((await layer.stat(top)) === undefined) await layer.mkdir(top)
    for await (const { name, info } of walk(folder, top)) {
      if (top === 'Hives') await takeHive(folder, layer, name, info)
      else if (!isPlainDirectory(info)) await takeFile(folder, layer, name, info, tp4)
      else if (!isPlainDirectory((await layer.stat(name))?.info ?? info)) {
        await layer.removeAll(name)
        await layer.mkdir(name)
      } else if ((await layer.stat(name)) === undefined) await layer.mkdir(name)
    }
  }
}

async function takeFile(
  folder: WinRoot,
  layer: WinRoot,
  name: string,
  info: FileBasicInfo,
  tp4: boolean,
): Promise<void> {
  await using source = await folder.open(name, 'read')
  const bytes = source.read()
  const first = (await bytes.next()).value ?? new Uint8Array(0)
  const ofDirectory = name.endsWith(DIRECTORY_SUFFIX)
  const target = ofDirectory ? name.slice(0, -DIRECTORY_SUFFIX.length) : name
  if (!tp4 && first.length < 4) {
    throw new HcsError('ImportLayer', HRESULT.invalidParameter, name)
  }
  const attributes = tp4
    ? ofDirectory
      ? ATTRIBUTE.directory
      : ATTRIBUTE.archive
    : new DataView(first.buffer, first.byteOffset).getUint32(0, true)
  const stream = tp4 ? first : first.subarray(4)
  const isDirectory = (attributes & ATTRIBUTE.directory) !== 0
  if (isDirectory) {
    const there = await layer.stat(target)
    if (there && !isPlainDirectory(there.info)) await layer.removeAll(target)
    if (!there || !isPlainDirectory(there.info)) await layer.mkdir(target)
  } else {
    await layer.removeAll(target)
  }
  await using copy = await (isDirectory ? layer.open(target, 'write') : layer.create(target))
  if (stream.length > 0) await copy.backupWrite(stream, true)
  for await (const part of bytes) await copy.backupWrite(part, true)
  await copy.setInfo({ ...info, attributes })
}

async function takeHive(
  folder: WinRoot,
  layer: WinRoot,
  name: string,
  info: FileBasicInfo,
): Promise<void> {
  if (isPlainDirectory(info)) {
    if ((await layer.stat(name)) === undefined) await layer.mkdir(name)
    return
  }
  if (name.endsWith(DIRECTORY_SUFFIX)) return
  await layer.removeAll(name)
  await layer.link(name, name, folder)
}

import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { FileBasicInfo, WinRoot } from '@varve/sys'
import { asWindowsFile, DIRECTORY, isPlainDirectory, looksOf, walk } from './layer-files.ts'

/** Something in which a layer differs from the one beneath it. */
export interface Difference {
  /** From the layer's folder, as `Files\a.txt`. */
  readonly name: string
  /** Absent: it was deleted. */
  readonly file?: {
    readonly info: FileBasicInfo
    readonly size: number
    open(): AsyncIterable<Uint8Array>
  }
}

/** What is different in a read-only layer's `top` (`Files`, `Hives`), in the order of names. */
export async function* layerDifferences(
  layer: WinRoot,
  below: WinRoot | undefined,
  top: string,
): AsyncGenerator<Difference> {
  if ((await layer.stat(top)) === undefined) return
  const old = new Map<string, { id: string; info: FileBasicInfo }>()
  if (below && (await below.stat(top))) {
    for await (const { name, id, info } of walk(below, top)) old.set(name, { id, info })
  }
  const seen = new Map<string, boolean>()
  for await (const { name, id, info, size } of walk(layer, top)) {
    seen.set(name, isPlainDirectory(info))
    const before = old.get(name)
    if (before && (isPlainDirectory(info) ? sameInfo(before.info, info) : before.id === id))
      continue
    yield { name, file: { info, size, open: () => streamOf(layer, name) } }
  }
  yield* deletions(old, seen)
}

function sameInfo(a: FileBasicInfo, b: FileBasicInfo): boolean {
  return a.attributes === b.attributes && a.lastWrite === b.lastWrite && a.creation === b.creation
}

async function* streamOf(root: WinRoot, name: string): AsyncGenerator<Uint8Array> {
  await using file = await root.open(name, 'read')
  yield* file.backupRead(true)
}

/** What was changed in a writable layer since it was laid out. */
export async function* volumeDifferences(
  volume: string,
  looks: Readonly<Record<string, string>>,
): AsyncGenerator<Difference> {
  const old = new Map(Object.entries(looks).map(([path, look]) => [windowsName(path), look]))
  const seen = new Map<string, boolean>()
  for await (const [path, look] of looksOf(volume)) {
    const name = windowsName(path)
    seen.set(name, look === DIRECTORY)
    if (old.get(name) === look) continue
    const file = await asWindowsFile(join(volume, path))
    // A socket or device has no place in Windows.
    if (file === undefined) continue
    const { info, head, hasData, size } = file
    const source = join(volume, path)
    const open = async function* (): AsyncGenerator<Uint8Array> {
      if (head.length > 0) yield head
      if (hasData) yield* createReadStream(source)
    }
    yield { name, file: { info, size, open } }
  }
  yield* deletions(old, seen)
}

const windowsName = (path: string): string => `Files\\${path.replaceAll('/', '\\')}`

/** Of what is gone only the topmost, in directories that are still there. */
function* deletions(
  old: ReadonlyMap<string, unknown>,
  seen: ReadonlyMap<string, boolean>,
): Generator<Difference> {
  for (const name of old.keys()) {
    if (seen.has(name)) continue
    const parent = name.slice(0, name.lastIndexOf('\\'))
    if (seen.get(parent) ?? !parent.includes('\\')) yield { name }
  }
}

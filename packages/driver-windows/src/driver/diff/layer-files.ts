import { type FileGetter, LayerError } from '@varve/core'
import type { Privileges, WinFile, WinFs, WinRoot } from '@varve/sys'
import { ATTRIBUTE } from '../../codec/file-info.ts'
import { layerNameOf } from '../../layer/layer-name.ts'
import { BACKUPS } from '../../layer/layer-writer.ts'

/** Payloads of a layer's files by the names of its tar; `name:stream` is an alternate stream. */
export async function layerFiles(
  dir: string,
  fs: WinFs,
  privileges: Privileges,
): Promise<FileGetter> {
  const root = await fs.openRoot(dir)
  return {
    open: (name, size) => readPayload(root, privileges, name, size),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  }
}

async function* readPayload(
  root: WinRoot,
  privileges: Privileges,
  name: Uint8Array,
  size: number,
): AsyncGenerator<Uint8Array> {
  const shown = new TextDecoder().decode(name)
  const corrupt = (why: string, cause?: unknown) =>
    new LayerError('ERR_CORRUPT_LAYER', `Cannot read ${shown} of the layer: ${why}`, {
      cause,
      data: { name: shown },
      hint: 'Check the store',
    })
  let left = size
  try {
    // Whoever may not read a file may still back it up.
    const file = await privileges.with(['SeBackupPrivilege'], () => openPayload(root, name))
    if (file === undefined) throw corrupt('it is no file')
    await using source = file
    for await (const bytes of source.read()) {
      left -= bytes.length
      if (left < 0) break
      yield bytes
    }
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_LAYER')) throw error
    throw corrupt(error instanceof Error ? error.message : String(error), error)
  }
  if (left !== 0) throw corrupt(`it does not have ${size} bytes`)
}

async function openPayload(root: WinRoot, name: Uint8Array): Promise<WinFile | undefined> {
  const [path, stream] = splitStream(name)
  const backup = BACKUPS.get(path)
  const place = backup && (await root.stat(backup)) ? backup : path
  const stat = await root.stat(place)
  const special = ATTRIBUTE.directory | ATTRIBUTE.reparsePoint
  const isFile = stat !== undefined && (stat.info.attributes & special) === 0
  if (!isFile && stream === '') return undefined
  return await root.open(place + stream, 'read')
}

function splitStream(name: Uint8Array): [path: string, stream: string] {
  const colon = name.indexOf(0x3a)
  const base = layerNameOf(colon < 0 ? name : name.subarray(0, colon))
  if (base.kind !== 'file') throw new RangeError('it is not a file of the layer')
  return [base.path, colon < 0 ? '' : new TextDecoder().decode(name.subarray(colon))]
}

import { LayerError } from '@varve/core'
import type { FileBasicInfo, Hcs, WinFile, WinRoot } from '@varve/sys'
import {
  BACKUPS,
  isOpenDirectory,
  isWithin,
  type LayerWriter,
  makeRoom,
  reapplyTimes,
} from './layer-writer.ts'

/** Writes files into a layer's folder, one after another. */
export class DirectWriter {
  readonly #root: WinRoot
  readonly #directories = new Map<string, FileBasicInfo>()
  #file: WinFile | undefined
  #backup: WinFile | undefined
  #info: FileBasicInfo | undefined

  constructor(root: WinRoot) {
    this.#root = root
  }

  async add(name: string, info: FileBasicInfo): Promise<void> {
    await this.end()
    this.#forget(name, isOpenDirectory(info))
    const isThere = await makeRoom(this.#root, name, info)
    this.#info = info
    if ((info.attributes & 0x10) !== 0) {
      if (!isThere) await this.#root.mkdir(name)
      this.#directories.set(name, info)
      this.#file = await this.#root.open(name, 'write')
    } else {
      this.#file = await this.#root.create(name)
    }
    const backup = BACKUPS.get(name)
    if (backup === undefined) return
    await this.#root.removeAll(backup)
    this.#backup = await this.#root.create(backup)
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#file?.backupWrite(bytes, true)
    await this.#backup?.backupWrite(bytes, false)
  }

  async addLink(name: string, target: string): Promise<void> {
    await this.end()
    if (name !== target) this.#forget(name, false)
    await linkNow(this.#root, name, target)
  }

  /** Directories whose place something else takes have no times to be given again. */
  #forget(name: string, keepsInside: boolean): void {
    if (keepsInside) return
    for (const directory of [...this.#directories.keys()]) {
      if (isWithin(directory, name)) this.#directories.delete(directory)
    }
  }

  async *reopen(name: string): AsyncGenerator<Uint8Array> {
    await this.end()
    await using file = await this.#root.open(name, 'read')
    yield* file.backupRead(true)
  }

  /** Ends the current file. */
  async end(): Promise<void> {
    const { file, backup, info } = { file: this.#file, backup: this.#backup, info: this.#info }
    this.#file = undefined
    this.#backup = undefined
    try {
      if (info) await file?.setInfo(info)
    } finally {
      try {
        await file?.[Symbol.asyncDispose]()
      } finally {
        await backup?.[Symbol.asyncDispose]()
      }
    }
  }

  async finish(): Promise<void> {
    await this.end()
    await reapplyTimes(this.#root, this.#directories)
  }
}

/** @throws LayerError `ERR_INVALID_TAR` if there is no such target, or it is a directory */
export async function linkNow(root: WinRoot, name: string, target: string): Promise<void> {
  const stat = await root.stat(target)
  if (stat === undefined || isOpenDirectory(stat.info)) throw noTarget(name, target)
  if (name === target) return
  await makeRoom(root, name, stat.info)
  await root.link(name, target)
}

/** `ERR_INVALID_TAR` for a link to nothing. */
export function noTarget(name: string, target: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot link ${name}: ${target} is no file`, {
    data: { name, target },
  })
}

/**
 * The writer of a base layer, which the service has no part in until all files are there: they are
 * restored right in their place, then `ProcessBaseImage` makes what else an image needs of them.
 */
export function baseWriter(hcs: Hcs, root: WinRoot): LayerWriter {
  const writer = new DirectWriter(root)
  let hasUtilityVM = false
  return {
    add(name, info) {
      hasUtilityVM ||= name === 'UtilityVM\\Files'
      return writer.add(name, info)
    },
    write: (bytes) => writer.write(bytes),
    addLink: (name, target) => writer.addLink(name, target),
    // There is nothing beneath that could be hidden. hcsshim refuses; the OCI specification does not.
    hide: async () => {},
    reopen: (name) => writer.reopen(name),
    async close() {
      await writer.finish()
      if ((await root.stat('Files')) === undefined) await root.mkdir('Files')
      await hcs.processBaseImage(root.path)
      if (hasUtilityVM) await hcs.processUtilityImage(utilityVM(root))
    },
    [Symbol.asyncDispose]: () => writer.end(),
  }
}

/** The folder of a layer's utility virtual machine. */
export function utilityVM(root: WinRoot): string {
  return root.path.includes('\\') ? `${root.path}\\UtilityVM` : `${root.path}/UtilityVM`
}

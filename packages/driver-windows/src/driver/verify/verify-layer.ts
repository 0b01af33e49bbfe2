import { type ByteSource, type CacheID, checkAborted, type DriverVerifyOptions } from '@varve/core'
import type { WinRoot, WinStat } from '@varve/sys'
import { ATTRIBUTE } from '../../codec/file-info.ts'
import { BACKUPS, isOpenDirectory } from '../../layer/layer-writer.ts'
import { holdPrivileges } from '../hold-privileges.ts'
import { chainFrom } from '../layers/chains.ts'
import type { Parts } from '../parts.ts'
import { partsOf } from './parts-of.ts'
import { type WantedFile, type WantedFiles, wantedFiles } from './wanted-files.ts'

/**
 * Compares a layer's folder with what its tar makes of it: files that are missing or should not be
 * there, their kind, size, attributes, times of creation and of writing, links, extended attributes,
 * security and alternate streams.
 */
export async function* verifyLayer(
  parts: Parts,
  id: CacheID,
  tar: ByteSource,
  { parent, signal }: DriverVerifyOptions,
): AsyncGenerator<string> {
  const { service } = parts
  const { home, fs, privileges, hcs } = service
  const attempt = `Cannot verify layer ${id}`
  await home.find(id)
  const name = await home.resolve(id)
  const chain = await chainFrom(service, name, parent)
  const wanted = await wantedFiles(tar, fs.caseSensitive, signal, attempt)
  await using _ = await holdPrivileges(privileges, ['SeBackupPrivilege'])
  await using root = await fs.openRoot(home.dir(name))
  const below: WinRoot[] = []
  try {
    for (const path of chain) below.push(await fs.openRoot(path))
    // What Windows makes of security is its own; an imitation keeps the bytes.
    const comparison = new Comparison(root, below, wanted, hcs.kind === 'directories')
    for await (const difference of comparison.run()) {
      checkAborted(signal, attempt)
      if (difference !== undefined) yield difference
    }
  } finally {
    for (const lower of below) await lower[Symbol.asyncDispose]()
  }
}

/** Bits that say the same on every volume; others tell how a file is stored. */
const COMPARED =
  ATTRIBUTE.readOnly |
  ATTRIBUTE.hidden |
  ATTRIBUTE.system |
  ATTRIBUTE.directory |
  ATTRIBUTE.reparsePoint

class Comparison {
  readonly #root: WinRoot
  readonly #below: readonly WinRoot[]
  readonly #wanted: WantedFiles
  readonly #comparesSecurity: boolean
  /** Files by the first of their names that was met. */
  readonly #met = new Map<WantedFile, { readonly name: string; readonly id: string }>()

  constructor(
    root: WinRoot,
    below: readonly WinRoot[],
    wanted: WantedFiles,
    comparesSecurity: boolean,
  ) {
    this.#root = root
    this.#below = below
    this.#wanted = wanted
    this.#comparesSecurity = comparesSecurity
  }

  /** A text for a difference, undefined for a step without one. */
  async *run(): AsyncGenerator<string | undefined> {
    for (const { name, file } of this.#wanted.all()) {
      const stat = await this.#root.stat(name)
      if (stat === undefined) yield `${shown(name)} is missing`
      else if ('below' in file)
        yield isOpenDirectory(stat.info) ? `${shown(name)} is no file` : undefined
      else yield* this.#compare(name, file, stat)
    }
    if (await this.#root.stat('Files')) yield* this.#others('Files')
  }

  async *#compare(
    name: string,
    file: WantedFile,
    stat: WinStat,
  ): AsyncGenerator<string | undefined> {
    const is = (what: string, found: unknown, wanted: unknown) =>
      `${shown(name)}: ${what} is ${found} instead of ${wanted}`
    const attributes = stat.info.attributes & COMPARED
    const wantedAttributes = file.info.attributes & COMPARED
    if (attributes !== wantedAttributes) {
      yield is('attributes', hex(attributes), hex(wantedAttributes))
      // Of another kind all else is different, too.
      if (((attributes ^ wantedAttributes) & KIND) !== 0) return
    }
    yield this.#linkDifference(name, file, stat)
    // A hive is imported without its times and security; the boot configuration is changed in place.
    if (name.startsWith('Hives') || BACKUPS.has(name)) return
    for (const time of ['creation', 'lastWrite'] as const) {
      const [found, wanted] = [stat.info[time], file.info[time]]
      // 0 leaves a time as it is.
      if (wanted !== 0n && found !== wanted) yield is(time, found, wanted)
    }
    if ((attributes & KIND) === 0 && stat.size !== file.size) yield is('size', stat.size, file.size)
    yield* this.#partDifferences(name, file)
  }

  #linkDifference(name: string, file: WantedFile, { id }: WinStat): string | undefined {
    const first = this.#met.get(file)
    if (first === undefined) this.#met.set(file, { name, id })
    else if (first.id !== id) return `${shown(name)} is not the same file as ${shown(first.name)}`
    return undefined
  }

  async *#partDifferences(name: string, { parts }: WantedFile): AsyncGenerator<string> {
    if (parts.size === 0) return
    await using file = await this.#root.open(name, 'read')
    const found = await partsOf(file.backupRead(true))
    for (const [title, digest] of parts) {
      if (title === 'security' && !this.#comparesSecurity) continue
      if (found.get(title) !== digest) yield `${shown(name)}: ${title} is different`
    }
  }

  /** What the tar says nothing of is from a layer beneath. */
  async *#others(directory: string): AsyncGenerator<string | undefined> {
    for (const child of [...(await this.#root.list(directory))].sort()) {
      const name = `${directory}\\${child}`
      const stat = await this.#root.stat(name)
      if (stat === undefined) continue
      if (!this.#wanted.has(name)) {
        const difference = await this.#otherDifference(name, stat)
        yield difference
        if (difference !== undefined) continue
      }
      if (isOpenDirectory(stat.info)) yield* this.#others(name)
    }
  }

  async #otherDifference(name: string, stat: WinStat): Promise<string | undefined> {
    if (this.#wanted.isHidden(name)) return `${shown(name)} is there, though it was deleted`
    for (const root of this.#below) {
      const lower = await root.stat(name)
      if (lower === undefined) continue
      const same = ((lower.info.attributes ^ stat.info.attributes) & KIND) === 0
      return same && lower.size === stat.size ? undefined : `${shown(name)} is not what is beneath`
    }
    return `${shown(name)} should not be there`
  }
}

const KIND = ATTRIBUTE.directory | ATTRIBUTE.reparsePoint

const shown = (name: string): string => name.replaceAll('\\', '/')
const hex = (bits: number): string => `0x${bits.toString(16)}`

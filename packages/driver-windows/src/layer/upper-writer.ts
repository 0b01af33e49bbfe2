import type { FileBasicInfo, WinRoot } from '@varve/sys'
import { DirectWriter, linkNow, noTarget, utilityVM } from './direct-writer.ts'
import {
  BACKUPS,
  isOpenDirectory,
  isWithin,
  type LayerWriter,
  notInDirectory,
  parentOf,
  reapplyTimes,
} from './layer-writer.ts'
import type { Sink } from './sink.ts'
import type { UpperPlace } from './upper-place.ts'

/**
 * The writer of a layer on others. The service makes the layer's folder of what the sink holds and of
 * the layers beneath; then what is to be hidden is deleted from it, and links are made in it. Files of
 * `UtilityVM` are written there at once.
 */
export function upperWriter(place: UpperPlace, sink: Sink): LayerWriter {
  return new UpperWriter(place, sink)
}

class UpperWriter implements LayerWriter {
  readonly #place: UpperPlace
  readonly #sink: Sink
  readonly #added = new Map<string, FileBasicInfo>()
  readonly #hidden = new Set<string>()
  readonly #links = new Map<string, string>()
  #utility: DirectWriter | undefined
  #toUtility = false

  constructor(place: UpperPlace, sink: Sink) {
    this.#place = place
    this.#sink = sink
  }

  async add(name: string, info: FileBasicInfo): Promise<void> {
    this.#refuseInLink(name)
    this.#toUtility = isWithin(name, 'UtilityVM')
    if (this.#toUtility) {
      await (await this.#openUtility()).add(name, info)
      return
    }
    await this.#keepLinksTo(name)
    await this.#clear(name, isOpenDirectory(info))
    this.#added.set(name, info)
    await this.#sink.add(name, info)
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#toUtility) await this.#utility?.write(bytes)
    else await this.#sink.write(bytes)
  }

  async addLink(name: string, target: string): Promise<void> {
    this.#refuseInLink(name)
    if (isWithin(name, 'UtilityVM')) {
      await (await this.#openUtility()).addLink(name, target)
      return
    }
    await this.#keepLinksTo(name)
    await this.#clear(name, false)
    // A link to a link is one to the same file.
    this.#links.set(name, this.#links.get(target) ?? target)
  }

  async hide(name: string): Promise<void> {
    if (!isWithin(name, 'UtilityVM')) {
      this.#hidden.add(name)
      return
    }
    await (await this.#openUtility()).end()
    await this.#place.root.removeAll(name)
  }

  reopen(name: string): AsyncIterable<Uint8Array> {
    if (isWithin(name, 'UtilityVM') && this.#utility) return this.#utility.reopen(name)
    return this.#sink.reopen(name)
  }

  async close(): Promise<void> {
    const { hcs, root } = this.#place
    await this.#utility?.finish()
    await this.#sink.import(this.#wholeHidden())
    for (const name of this.#hidden) await this.#deleteHidden(name)
    for (const [name, target] of this.#links) await linkNow(root, name, target)
    const directories = [...this.#added].filter(([, info]) => isOpenDirectory(info))
    await reapplyTimes(root, new Map(directories))
    if (this.#utility) await hcs.processUtilityImage(utilityVM(root))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#utility?.end()
    } finally {
      await this.#sink[Symbol.asyncDispose]()
    }
  }

  /** Links are made at the end; those to a file that is to be replaced get it now. */
  async #keepLinksTo(replaced: string): Promise<void> {
    const heirs = new Map<string, string>()
    for (const [name, target] of [...this.#links]) {
      if (!isWithin(target, replaced)) continue
      const heir = heirs.get(target)
      if (heir !== undefined) {
        this.#links.set(name, heir)
        continue
      }
      heirs.set(target, name)
      this.#links.delete(name)
      const info = this.#added.get(target)
      if (info) await this.#sink.alias(name, target)
      this.#added.set(name, info ?? (await this.#copyFromBelow(name, target)))
    }
  }

  async #copyFromBelow(name: string, target: string): Promise<FileBasicInfo> {
    const { fs, chain } = this.#place
    await using root = await fs.openRoot(chain[0]?.path ?? this.#place.root.path)
    const stat = await root.stat(target)
    if (stat === undefined || isOpenDirectory(stat.info)) throw noTarget(name, target)
    await using source = await root.open(target, 'read')
    await this.#sink.add(name, stat.info)
    for await (const bytes of source.backupRead(true)) await this.#sink.write(bytes)
    return stat.info
  }

  /** What is hidden as a whole, because this layer puts nothing in its place. */
  #wholeHidden(): string[] {
    return [...this.#hidden].filter((name) => !this.#isOurs(name))
  }

  #isOurs(name: string): boolean {
    return [...this.#added.keys(), ...this.#links.keys()].some((ours) => isWithin(ours, name))
  }

  /** What is this layer's own stays, and the directories that it is in. */
  async #deleteHidden(name: string): Promise<void> {
    const { root } = this.#place
    const there = await root.stat(name)
    if (!there) return
    if (!this.#isOurs(name)) {
      await root.removeAll(name)
    } else if (isOpenDirectory(there.info)) {
      for (const child of await root.list(name)) await this.#deleteHidden(`${name}\\${child}`)
    }
  }

  async #clear(name: string, keepsInside: boolean): Promise<void> {
    for (const map of [this.#added, this.#links]) {
      for (const other of [...map.keys()]) {
        if (other !== name && (keepsInside || !isWithin(other, name))) continue
        const info = this.#added.get(other)
        map.delete(other)
        if (map === this.#added && !(keepsInside && info && isOpenDirectory(info))) {
          await this.#sink.drop(other)
        }
      }
    }
  }

  /** Nothing may be put behind a link that this layer has made: it would land where that leads. */
  #refuseInLink(name: string): void {
    for (let dir = parentOf(name); dir !== ''; dir = parentOf(dir)) {
      const info = this.#added.get(dir)
      if (info && !isOpenDirectory(info)) throw notInDirectory(name, dir)
    }
  }

  /** The parent's machine, its files shared but for those that are changed in place. */
  async #openUtility(): Promise<DirectWriter> {
    if (this.#utility) return this.#utility
    const { fs, root, chain } = this.#place
    this.#utility = new DirectWriter(root)
    await root.removeAll('UtilityVM')
    await root.mkdir('UtilityVM')
    const below = chain[0]?.path
    if (below === undefined) return this.#utility
    await using parent = await fs.openRoot(below)
    if (await parent.stat('UtilityVM\\Files')) await shareTree(parent, root, 'UtilityVM\\Files')
    return this.#utility
  }
}

async function shareTree(from: WinRoot, to: WinRoot, name: string): Promise<void> {
  const stat = await from.stat(name)
  if (!stat) return
  // hcsshim compares these with names from another root, so that its layers share what is changed.
  if (!isOpenDirectory(stat.info) && !BACKUPS.has(name)) {
    await to.link(name, name, from)
    return
  }
  if (isOpenDirectory(stat.info)) await to.mkdir(name)
  {
    await using source = await from.open(name, 'read')
    await using copy = isOpenDirectory(stat.info)
      ? await to.open(name, 'write')
      : await to.create(name)
    for await (const bytes of source.backupRead(true)) await copy.backupWrite(bytes, true)
    await copy.setInfo(stat.info)
  }
  if (!isOpenDirectory(stat.info)) return
  for (const child of await from.list(name)) await shareTree(from, to, `${name}\\${child}`)
}

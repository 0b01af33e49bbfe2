import { closeSync, openSync } from 'node:fs'
import { uptime } from 'node:os'
import { join } from 'node:path'
import type { Sys } from '@varve/sys'
import { isThere, listNames, unlinkIfAny } from './files.ts'
import { type Layout, parseMark } from './layout.ts'

/**
 * Marks of layers that may not survive a power loss: empty files `<layer>.<boot>`, because a name
 * is on stable storage as soon as its directory is.
 */
export class Marks {
  readonly #sys: Sys
  readonly #layout: Layout
  #boot: string | undefined

  constructor(sys: Sys, layout: Layout) {
    this.#sys = sys
    this.#layout = layout
  }

  /** Marks a layer, durably. */
  async add(hex: string): Promise<void> {
    const { unsynced } = this.#layout
    closeSync(openSync(join(unsynced, `${hex}.${await this.#bootID()}`), 'w', 0o600))
    await this.#sys.syncDirectory(unsynced)
  }

  /** Takes a layer's marks away; should they come back by a power loss, no harm is done. */
  remove(hex: string): void {
    for (const { name } of this.#all().filter((mark) => mark.hex === hex)) this.#unlink(name)
  }

  /** Takes away the marks of a layer that was removed, unless it has been listed anew. */
  removeUnlessListed(hex: string): void {
    if (!isThere(join(this.#layout.layers, hex))) this.remove(hex)
  }

  /** Listed layers that have a mark; with `ofOtherBoots`, one of another start of the machine. */
  async marked(ofOtherBoots: boolean): Promise<string[]> {
    const boot = await this.#bootID()
    const found = new Set<string>()
    for (const mark of this.#all()) {
      if (ofOtherBoots && mark.boot === boot) continue
      if (isThere(join(this.#layout.layers, mark.hex))) found.add(mark.hex)
    }
    return [...found]
  }

  /** Removes the marks of layers that are not listed. Call it under the exclusive lock. */
  sweep(): void {
    for (const { hex, name } of this.#all()) {
      if (!isThere(join(this.#layout.layers, hex))) this.#unlink(name)
    }
  }

  #all(): { hex: string; boot: string; name: string }[] {
    return listNames(this.#layout.unsynced).flatMap((name) => {
      const mark = parseMark(name)
      return mark ? [{ ...mark, name }] : []
    })
  }

  #unlink(name: string): void {
    unlinkIfAny(join(this.#layout.unsynced, name))
  }

  /** Where the system does not say: the minute it started. A false alarm costs one reading. */
  async #bootID(): Promise<string> {
    this.#boot ??=
      (await this.#sys.bootId()) ?? `m${Math.round((Date.now() / 1000 - uptime()) / 60)}`
    return this.#boot
  }
}

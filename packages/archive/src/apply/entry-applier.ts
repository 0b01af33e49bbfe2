import { LayerError } from '@varve/core'
import type { TarEntry, TarVisitor } from '@varve/tar'
import { baseOf, joined, parentOf, shown, toBinary } from '../safe-root/binary.ts'
import type { Payload } from './aside.ts'
import { type ApplyContext, bringUp, createFile, parentDirectory } from './context.ts'
import { cleanEntryName, invalid, unsafe } from './entry-name.ts'
import { FileWriter } from './file-writer.ts'
import { linkTarget, makeLink } from './make-link.ts'
import { applyRoot, makeDevice, makeDirectory, makeSymlink } from './make-node.ts'
import { finishNewFile } from './metadata.ts'
import { AUFS_LINKS, AUFS_PREFIX, OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteouts.ts'

/**
 * Puts one entry after the other into a tree. All is synchronous: a promise for each call would cost
 * more than the calls.
 */
export class EntryApplier implements TarVisitor {
  /** Raw name of the entry at hand, for errors. */
  name: string | undefined
  entries = 0
  /** Sum of what the headers say, phantom sizes included: as Docker counts (rule 40). */
  size = 0

  readonly #context: ApplyContext
  /** How many payloads of each name there were. */
  readonly #occurrences = new Map<string, number>()
  /** Files that links stand for, by path (rule 13). */
  readonly #aufsFiles = new Map<string, { readonly entry: TarEntry; readonly name: Uint8Array }>()
  #payloadBytes = 0
  /** Where the payload at hand goes; undefined if nowhere. */
  #writer: FileWriter | undefined
  /** The file of the layer that the writer fills, if it fills one. */
  #file: { readonly entry: TarEntry; readonly inheritsGroup: boolean } | undefined

  constructor(context: ApplyContext) {
    this.#context = context
  }

  /** What `AppliedLayer` says of it. */
  get written(): number | undefined {
    return this.#context.tree.bytes
  }

  entry(entry: TarEntry): void {
    const name = toBinary(entry.name)
    this.name = name
    this.#count(entry)
    if (entry.type === 'global') return
    if (entry.type === 'other') {
      const flag = shown(String.fromCharCode(entry.typeflag))
      throw invalid(name, `its type ${flag} is not for layers`)
    }
    const path = cleanEntryName(name, this.#context.limits.pathLength)
    if (this.#context.portableNames && isPeculiar(entry, path)) {
      this.#context.omitted.names++
      return
    }
    const payload = this.#payloadOf(entry, name)
    const base = baseOf(path)
    if (path.startsWith(AUFS_PREFIX) && path !== OPAQUE_NAME) {
      this.#aufsFile(entry, path, payload)
    } else if (base.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(entry, path, base)
      if (payload) this.#setAside(entry, payload)
    } else if (path === '') {
      applyRoot(this.#context, entry, name)
    } else {
      this.#make(entry, path, base, payload)
    }
  }

  payload(bytes: Uint8Array): void {
    this.#writer?.write(bytes)
  }

  entryEnd(): void {
    const writer = this.#writer
    const file = this.#file
    if (!writer) return
    writer.finish()
    // Writing takes capabilities away, so everything but the name comes after the content.
    if (file) finishNewFile(this.#context, file.entry, writer.fd, file.inheritsGroup)
    this.abandon()
  }

  /** After the last entry. */
  finish(): void {
    this.name = undefined
    this.#context.tree.settle()
    this.#context.whiteouts.apart?.finish(this.#context.tree)
    this.#context.directories.finish(this.#context.root)
  }

  /** Closes what is open. */
  abandon(): void {
    const writer = this.#writer
    this.#writer = undefined
    this.#file = undefined
    if (writer) this.#context.calls.close(writer.fd)
  }

  #count(entry: TarEntry): void {
    const { limits } = this.#context
    if (++this.entries > limits.entries) throw tooMuch('entries', limits.entries)
    this.#payloadBytes += entry.storedSize
    if (this.#payloadBytes > limits.payloadBytes) {
      throw tooMuch('payload bytes', limits.payloadBytes)
    }
    if (entry.claimedSize > 0) this.size += entry.claimedSize
    if (entry.xattrs.size === 0) return
    let bytes = 0
    for (const [key, value] of entry.xattrs) bytes += key.length + value.length
    if (bytes > limits.xattrBytes) throw tooMuch('bytes of xattrs', limits.xattrBytes)
  }

  /** The payload that the record of the tar refers to by this name; none for sparse files. */
  #payloadOf(entry: TarEntry, name: string): Payload | undefined {
    const { type, storedSize, sparse } = entry
    if (type !== 'file' || storedSize === 0 || sparse || !this.#context.aside) return undefined
    const occurrence = this.#occurrences.get(name) ?? 0
    this.#occurrences.set(name, occurrence + 1)
    return { name, occurrence, size: storedSize }
  }

  #make(entry: TarEntry, path: string, base: string, payload: Payload | undefined): void {
    const context = this.#context
    const name = this.name ?? path
    switch (entry.type) {
      case 'directory':
        makeDirectory(context, entry, path, base)
        break
      case 'symlink':
        makeSymlink(context, entry, path, base, name)
        break
      case 'link': {
        const target = linkTarget(entry, name, context.limits.pathLength)
        if (target.startsWith(`${AUFS_LINKS}/`)) this.#copyAufsFile(path, base, target)
        else makeLink(context, entry, path, base, name, target)
        break
      }
      case 'file': {
        const own = this.#openFile(entry, path, base)
        if (payload) context.tree.wrotePayload(own, path, payload)
        break
      }
      default:
        makeDevice(context, entry, path, base, name)
    }
  }

  /** Makes a file for the payload that follows; returns its path without symbolic links. */
  #openFile(entry: TarEntry, path: string, base: string): string {
    const context = this.#context
    const parent = parentDirectory(context, path).path
    const { fd, inheritsGroup } = createFile(context, parent, base, entry.mode)
    this.#writer = new FileWriter(context.calls, fd, entry)
    this.#file = { entry, inheritsGroup }
    const own = joined(parent, base)
    context.tree.wrote(own, true)
    context.tree.holds(entry.size)
    return own
  }

  #whiteout(entry: TarEntry, path: string, base: string): void {
    const { whiteouts, tree } = this.#context
    const hidden = base.slice(WHITEOUT_PREFIX.length)
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw unsafe(this.name ?? path, 'it hides no name')
    }
    // Under what is no directory there is nothing to hide: for a directory that became a file, umoci
    // writes the file, and then a whiteout for each name that was in the directory.
    const parent = tree.directoryAt(parentOf(path), bringUp(this.#context))
    if (base === OPAQUE_NAME) whiteouts.hideLower(tree, parent, entry)
    else whiteouts.hide(tree, parent, hidden, entry)
  }

  /** Rule 13: no part of the layer, but some are what links of the layer stand for. */
  #aufsFile(entry: TarEntry, path: string, payload: Payload | undefined): void {
    const { aside, calls } = this.#context
    if (entry.type !== 'file' || !path.startsWith(`${AUFS_LINKS}/`)) {
      if (payload) this.#setAside(entry, payload)
      return
    }
    if (!aside) {
      throw new LayerError('ERR_NOT_SUPPORTED', `Cannot apply ${shown(path)}: it is AUFS's`, {
        hint: 'Give applyLayer an asideDir',
      })
    }
    const { fd, name } = aside.create(payload)
    this.#writer = new FileWriter(calls, fd, entry)
    this.#aufsFiles.set(path, { entry, name })
  }

  #copyAufsFile(path: string, base: string, target: string): void {
    const source = this.#aufsFiles.get(target)
    if (!source) throw invalid(this.name ?? path, 'the AUFS file that it stands for is missing')
    const { aside, calls } = this.#context
    this.#openFile(source.entry, path, base)
    const from = aside?.open(source.name) ?? -1
    try {
      const buffer = new Uint8Array(256 * 1024)
      for (;;) {
        const bytes = calls.read(from, buffer)
        if (bytes === 0) break
        if (this.#writer) calls.write(this.#writer.fd, buffer.subarray(0, bytes))
      }
    } finally {
      calls.close(from)
    }
  }

  /** A payload that no file of the layer has: only kept so that the tar can be given back. */
  #setAside(entry: TarEntry, payload: Payload): void {
    const made = this.#context.aside?.create(payload)
    if (made) this.#writer = new FileWriter(this.#context.calls, made.fd, entry)
  }
}

/** Rule 6: a drive, a stream or a path of its own on Windows. */
function isPeculiar(entry: TarEntry, path: string): boolean {
  return /[:\\]/.test(path) || (entry.type === 'link' && /[:\\]/.test(toBinary(entry.linkname)))
}

function tooMuch(what: string, limit: number): LayerError {
  return new LayerError(
    'ERR_LIMIT_EXCEEDED',
    `Cannot apply layer: it has more than ${limit} ${what}`,
    { data: { limit } },
  )
}

import { copyOf, EMPTY, endOfText } from './bytes.ts'
import { tooLong } from './fault.ts'
import { EntryDraft, TYPEFLAG } from './header.ts'
import { mergePax, type PaxRecords, parsePax } from './pax.ts'

/** Longest body of an `x`, `g`, `L` or `K` header; the limit of Go since 1.19.2. */
const EXTENSION_LIMIT = 1 << 20

/** Whether a header is not an entry, but says more of the one that follows it or of all. */
export function isExtension(typeflag: number): boolean {
  return (
    typeflag === TYPEFLAG.pax ||
    typeflag === TYPEFLAG.paxGlobal ||
    typeflag === TYPEFLAG.longName ||
    typeflag === TYPEFLAG.longLink
  )
}

/** What the extension headers before an entry say. */
export class Extensions {
  records: PaxRecords | undefined
  #longName: Uint8Array | undefined
  #longLink: Uint8Array | undefined
  /** The one whose body is being read, and how much of that is there. */
  #typeflag = 0
  #name: Uint8Array | undefined
  #body = EMPTY
  #filled = 0

  /** Begins one with a body of `size` bytes. @throws Fault */
  open(typeflag: number, name: Uint8Array, size: number): void {
    if (size > EXTENSION_LIMIT) throw tooLong('an extension header is longer than 1 MiB')
    this.#typeflag = typeflag
    this.#name = name
    this.#body = new Uint8Array(size)
    this.#filled = 0
  }

  /** Takes what comes next of the body. */
  read(bytes: Uint8Array): void {
    this.#body.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  /** Ends it; a global header is an entry of its own. @throws Fault */
  close(): EntryDraft | undefined {
    const [typeflag, body] = [this.#typeflag, this.#body]
    this.#body = EMPTY
    if (typeflag === TYPEFLAG.longName) this.#longName = textOf(body) ?? this.#longName
    else if (typeflag === TYPEFLAG.longLink) this.#longLink = textOf(body) ?? this.#longLink
    else if (typeflag === TYPEFLAG.pax) this.records = parsePax(body)
    else return this.#global(body)
    return undefined
  }

  /** Lets them override what an entry's own header says. @throws Fault */
  mergeInto(entry: EntryDraft): void {
    if (this.records) mergePax(entry, this.records)
    if (this.#longName) entry.name = this.#longName
    if (this.#longLink) entry.linkname = this.#longLink
  }

  /** They are over with the entry that they stand before. */
  clear(): void {
    this.records = undefined
    this.#longName = undefined
    this.#longLink = undefined
  }

  #global(body: Uint8Array): EntryDraft {
    const path = parsePax(body).get('path')
    const entry = new EntryDraft()
    entry.type = 'global'
    entry.typeflag = TYPEFLAG.paxGlobal
    entry.name = path?.length ? path : (this.#name ?? entry.name)
    return entry
  }
}

/** A GNU long name: up to the first NUL; an empty one counts for nothing. */
function textOf(body: Uint8Array): Uint8Array | undefined {
  const end = endOfText(body, 0, body.length)
  return end === 0 ? undefined : copyOf(body, 0, end)
}

/**
 * What a user of the store may count on, moment by moment, in lines written outside the store.
 *
 * A key stands for something that the store can list, as `layer sha256:…` or `tag base:1=sha256:…`.
 * Before an operation the keys that it is about become `may`; once it is acknowledged each is
 * `must` or `gone`.
 *
 * @module
 */

/** One line. */
export interface Entry {
  readonly may?: readonly string[]
  readonly must?: readonly string[]
  readonly gone?: readonly string[]
}

/** What must and what may be listed after these lines, and nothing else. */
export interface Expectation {
  readonly must: ReadonlySet<string>
  readonly may: ReadonlySet<string>
}

export const NOTHING: Expectation = { must: new Set(), may: new Set() }

/** Adds a line to what is expected. */
export function expectationAfter(before: Expectation, entry: Entry): Expectation {
  const must = new Set(before.must)
  const may = new Set(before.may)
  for (const key of [...(entry.may ?? []), ...(entry.must ?? []), ...(entry.gone ?? [])]) {
    must.delete(key)
    may.delete(key)
  }
  for (const key of entry.may ?? []) may.add(key)
  for (const key of entry.must ?? []) must.add(key)
  return { must, may }
}

/** What is wrong with what is listed. */
export function* contradictions(
  listed: ReadonlySet<string>,
  { must, may }: Expectation,
): Generator<string> {
  for (const key of must) if (!listed.has(key)) yield `lost, though acknowledged: ${key}`
  for (const key of listed) {
    if (!must.has(key) && !may.has(key)) yield `listed, though removed or never made: ${key}`
  }
}

export const layerKey = (chainID: string): string => `layer ${chainID}`
export const rwKey = (name: string): string => `rw ${name}`
export const imageKey = (id: string): string => `image ${id}`
export const tagKey = (tag: string, id: string): string => `tag ${tag} ${id}`

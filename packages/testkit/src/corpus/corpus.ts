import type { Canary, CorpusCase } from './case.ts'
import { damagedArchives, impossibleNumbers, lyingHeaders, lyingSparseFiles } from './damaged.ts'
import { linksThatEscape, namesThatEscape } from './escapes.ts'
import { oddities } from './oddities.ts'
import { whiteouts } from './whiteouts.ts'

/**
 * Odd and hostile tars, built by code, each with what must come of it.
 *
 * @param canary a place outside of every layer that the hostile ones aim at; the default is a path
 *   that does not exist
 *
 * @example
 * ```ts
 * import { corpus } from '@varve/testkit'
 *
 * const hostile = corpus().filter((tar) => tar.hostile)
 * console.assert(hostile.length >= 60)
 * ```
 */
export function corpus(canary: Canary = { path: '/varve-canary' }): readonly CorpusCase[] {
  return [
    ...oddities(),
    ...whiteouts(),
    ...namesThatEscape(canary),
    ...linksThatEscape(canary),
    ...damagedArchives(),
    ...lyingHeaders(),
    ...impossibleNumbers(),
    ...lyingSparseFiles(),
  ]
}

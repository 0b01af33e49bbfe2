import type { TarSplitCodec } from '@varve/core'
import type { TestFunction } from '../runner.ts'
import { codecCases } from './cases.ts'

/** What {@link codecSuite} works with. */
export interface CodecSuiteOptions {
  /** Your runner's. */
  readonly test: TestFunction
  readonly factory: () => TarSplitCodec | Promise<TarSplitCodec>
}

/**
 * Registers every case of the codec contract, with every tar of the corpus.
 *
 * @example
 * ```ts
 * import { codecSuite, collectCases, memoryCodec } from '@varve/testkit'
 *
 * const { test, run } = collectCases() // or: import { test } from 'vitest'
 * codecSuite({ test, factory: memoryCodec })
 * console.assert((await run('payload that has changed')).every(({ error }) => error === undefined))
 * ```
 */
export function codecSuite({ test, factory }: CodecSuiteOptions): void {
  for (const { name, run } of codecCases) {
    test(`codec: ${name}`, async () => await run(await factory()))
  }
}

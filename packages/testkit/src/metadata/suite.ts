import type { TestFunction } from '../runner.ts'
import { type MetadataBed, MetadataKit } from './bed.ts'
import { layers } from './layers.ts'
import { processes } from './processes.ts'
import { safety } from './safety.ts'

/** What {@link metadataSuite} works with. */
export interface MetadataSuiteOptions {
  /** Your runner's. */
  readonly test: TestFunction
  /** An empty place for metadata; asked for anew by every case, and disposed of by it. */
  readonly factory: () => MetadataBed | Promise<MetadataBed>
}

/**
 * Registers every case of the metadata contract, those about accidents as far as the bed can cause
 * them. Await it, because it asks a first bed what it can do.
 *
 * @example
 * ```ts
 * import { collectCases, memoryMetadataBed, metadataSuite } from '@varve/testkit'
 *
 * const { test, run } = collectCases() // or: import { test } from 'vitest'
 * await metadataSuite({ test, factory: memoryMetadataBed })
 * console.assert((await run()).every(({ error }) => error === undefined))
 * ```
 */
export async function metadataSuite({ test, factory }: MetadataSuiteOptions): Promise<void> {
  await using first = await factory()
  for (const { name, needs, run } of [...layers, ...processes, ...safety]) {
    if (needs && !first[needs]) continue
    test(`metadata: ${name}`, async () => {
      await using bed = await factory()
      const kit = new MetadataKit(bed)
      try {
        await run(kit)
      } finally {
        await kit.end()
      }
    })
  }
}

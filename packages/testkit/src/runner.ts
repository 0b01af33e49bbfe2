/**
 * Takes a case: `test` of vitest, of `node:test`, of Bun, `Deno.test`, or {@link collectCases}'s.
 */
export type TestFunction = (name: string, fn: () => Promise<void>) => unknown

/** How one case went. */
export interface CaseResult {
  readonly name: string
  /** Absent if the case passed. */
  readonly error?: unknown
}

/** A runner that keeps the cases and runs them when asked. */
export interface CaseCollector {
  readonly test: TestFunction
  /** Runs every case whose name has `only` in it, one after another. */
  run(only?: string): Promise<readonly CaseResult[]>
}

/**
 * A runner of its own, to run a suite from a program and look at what it says.
 *
 * @example
 * ```ts
 * import { collectCases, driverSuite, memoryDriver } from '@varve/testkit'
 *
 * const cases = collectCases()
 * await driverSuite({ test: cases.test, factory: () => memoryDriver() })
 * const results = await cases.run('hard link')
 * console.assert(results.length > 0 && results.every((result) => result.error === undefined))
 * ```
 */
export function collectCases(): CaseCollector {
  const cases: { name: string; fn: () => Promise<void> }[] = []
  return {
    test: (name, fn) => void cases.push({ name, fn }),
    async run(only = '') {
      const results: CaseResult[] = []
      for (const { name, fn } of cases) {
        if (!name.includes(only)) continue
        try {
          await fn()
          results.push({ name })
        } catch (error) {
          results.push({ name, error })
        }
      }
      return results
    },
  }
}

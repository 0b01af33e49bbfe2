import type { Reporter, TestModule, Vitest } from 'vitest/node'

/** As `(needs root)`: what a machine may lack, except that CI has no other system. */
const NEEDS = /\(needs? (?!Windows|macOS)/

/**
 * The house rule about skipped tests: one that needs what a machine may lack says so in its name, or
 * its suite's, and is skipped there, except in CI, where skipping it fails the run.
 */
export function noSkips(): Reporter {
  let isFiltered = false
  return {
    onInit({ config }: Vitest) {
      isFiltered = config.testNamePattern !== undefined
    },
    onTestRunEnd(modules) {
      const names = isFiltered ? [] : skippedForWant(modules)
      if (names.length === 0) return
      console.error(`\nSkipped, which no test may be in CI:\n  ${names.join('\n  ')}`)
      process.exitCode = 1
    },
  }
}

/** The full names of tests that were skipped because something is not there. */
export function skippedForWant(
  modules: readonly { readonly children: Pick<TestModule['children'], 'allTests'> }[],
): readonly string[] {
  return modules
    .flatMap(({ children }) => [...children.allTests('skipped')])
    .map(({ fullName }) => fullName)
    .filter((name) => NEEDS.test(name))
}

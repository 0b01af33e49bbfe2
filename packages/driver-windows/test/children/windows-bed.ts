/** What the programs that run on Windows (or wine) have in common. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { openWindows, type WindowsCalls } from '@varve/sys'
import { collectCases, type TestFunction } from '@varve/testkit'
import type { LeftOut } from '../not-on-windows.ts'

/** The library, and where the results go. */
export const [, , dll = '', out = ''] = process.argv
// Of its own, so that what is left there can be told.
process.env.TEMP = mkdtempSync(join(tmpdir(), 'temp-'))
const own = openWindows({ vmcompute: dll, backup: dll, ntdll: dll })

/**
 * Windows' services, those of our own library among them. Wine has no virtual disks: their volumes
 * are not extended by hand.
 */
export const calls: WindowsCalls = {
  ...own,
  virtDisk: { ...own.virtDisk, attach: async () => undefined },
}

/** A runner of cases, and what writes down how each went. */
export interface Runner {
  readonly test: TestFunction
  /** Runs the cases, writes `[name, 'passed', 'skipped: why' or the error]` of each, and ends. */
  report(): Promise<never>
}

/**
 * @param notOnWindows cases that are not run, here as anywhere
 * @param notUnderWine those that are not run here; each of them must be there
 */
export function runner(notOnWindows: LeftOut = {}, notUnderWine: LeftOut = {}): Runner {
  const { test, run } = collectCases()
  const reasons = new Map<string, string>()
  for (const [reason, names] of Object.entries({ ...notOnWindows, ...notUnderWine })) {
    for (const name of names) reasons.set(name, reason)
  }
  const missing = new Set(Object.values(notUnderWine).flat())
  const results: [name: string, result: string][] = []
  return {
    test(name, fn) {
      const reason = reasons.get(name)
      if (reason === undefined) test(name, fn)
      else results.push([name, `skipped: ${reason}`])
      missing.delete(name)
    },
    async report() {
      for (const name of missing) results.push([name, 'there is no such case'])
      for (const { name, error } of await run()) results.push([name, resultOf(error)])
      writeFileSync(out, JSON.stringify(results))
      process.exit(0)
    },
  }
}

function resultOf(error: unknown): string {
  if (error === undefined) return 'passed'
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

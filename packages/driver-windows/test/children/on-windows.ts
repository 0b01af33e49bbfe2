/** Runs on Windows (or wine): our own cases about the real binding, and the driver on it. */
import { bindingCases } from './binding.ts'
import { faultCases } from './faults.ts'
import { fileCases } from './files.ts'
import { lifeCases } from './life.ts'
import { runner } from './windows-bed.ts'

const { test, report } = runner()
for (const register of [bindingCases, fileCases, lifeCases, faultCases]) register(test)
await report()

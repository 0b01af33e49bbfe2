import { test } from 'vitest'
import { memoryStoreBed, storeSuite } from '../src/index.ts'

await storeSuite({ test, factory: () => memoryStoreBed() })

import { test } from 'vitest'
import { memoryCodec, memoryStoreBed, storeSuite } from '../src/index.ts'

await storeSuite({ test, factory: () => memoryStoreBed(memoryCodec()) })

import { test } from 'vitest'
import { memoryMetadataBed, metadataSuite } from '../src/index.ts'

await metadataSuite({ test, factory: memoryMetadataBed })

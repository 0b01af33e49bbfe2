import { test } from 'vitest'
import { codecSuite, memoryCodec } from '../src/index.ts'

codecSuite({ test, factory: memoryCodec })

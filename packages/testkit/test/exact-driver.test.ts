import { test } from 'vitest'
import { type AlterLayer, driverSuite, type MemoryDriver, memoryDriver } from '../src/index.ts'

const alter: AlterLayer = (driver, id, change) => (driver as MemoryDriver).alter(id, change)

await driverSuite({ test, factory: () => memoryDriver(), alter })

import { metadataSuite } from '@varve/testkit'
import { test } from 'vitest'
import { layerdbBed } from './bed.ts'

await metadataSuite({ test, factory: () => layerdbBed() })

import { openSys } from '@varve/sys'
import { metadataSuite } from '@varve/testkit'
import { test } from 'vitest'
import { layerdbBed } from './bed.ts'

await metadataSuite({ test, factory: () => layerdbBed(openSys({ ffi: false })) })

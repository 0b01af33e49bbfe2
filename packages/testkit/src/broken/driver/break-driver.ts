import type { Driver } from '@varve/core'
import type { TarItem } from '../../tar/read.ts'

/** Methods of a driver, made wrong. */
export type BreakDriver = (driver: Driver) => Partial<Driver>

/** What a whiteout is known by. */
export const baseName = (item: TarItem): string => item.name.split('/').at(-1) ?? ''

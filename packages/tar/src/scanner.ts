import type { TarScanner, TarVisitor } from './entry.ts'

export declare function createTarScanner(visitor: TarVisitor): TarScanner

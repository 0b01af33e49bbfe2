export { type MemoryDisk, memoryDisk } from './memory/disk.ts'
export * from './memory/metadata.ts'

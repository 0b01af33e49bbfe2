export { type MemoryDisk, memoryDisk } from './memory/disk.ts'
export * from './memory/driver/driver.ts'
export * from './memory/metadata.ts'
export { type TarEntry, tarOf } from './tar/build.ts'

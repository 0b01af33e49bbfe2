/**
 * The operating-system boundary of varve: the only place with FFI, and what there is without it.
 *
 * @module
 */
export * from './constants.ts'
export * from './mount-calls.ts'
export type * from './native-calls.ts'
export { openSys } from './open-sys.ts'
export type * from './quota-calls.ts'
export type * from './sys.ts'
export * from './windows/hcs.ts'
export { openWindows, type WindowsCalls, type WindowsLibraries } from './windows/open-windows.ts'
export type * from './windows/win-fs.ts'

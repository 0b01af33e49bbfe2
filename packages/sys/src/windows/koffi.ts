import { createRequire } from 'node:module'

/** What is used of koffi; types are opaque. */
export interface Koffi {
  load(path: string): Library
  struct(members: Readonly<Record<string, unknown>>): unknown
  array(type: unknown, length: number): unknown
  pointer(type: unknown): unknown
  out(type: unknown): unknown
  inout(type: unknown): unknown
  disposable(type: unknown, free: unknown): unknown
  sizeof(type: unknown): number
}

/** A loaded library. */
export interface Library {
  /** @throws if there is no such function */
  func(name: string, result: unknown, args: readonly unknown[]): NativeFunction
}

/** A bound function; `async` runs it on another thread. */
export interface NativeFunction {
  (...args: readonly unknown[]): number
  async(...args: readonly unknown[]): void
}

/** @throws if there is no koffi for this platform */
export function loadKoffi(): Koffi {
  return createRequire(import.meta.url)('koffi') as Koffi
}

/** Runs a function on another thread. */
export function onThread(call: NativeFunction, ...args: readonly unknown[]): Promise<number> {
  return new Promise((resolve, reject) =>
    call.async(...args, (error: unknown, result: number) => {
      if (error) reject(error as Error)
      else resolve(result)
    }),
  )
}

/** Fails at once, rather than with a broken memory later, if a structure is not as C has it. */
export function assertSize(koffi: Koffi, name: string, type: unknown, bytes: number): void {
  const size = koffi.sizeof(type)
  if (size !== bytes) throw new Error(`${name} has ${size} bytes here instead of ${bytes}`)
}

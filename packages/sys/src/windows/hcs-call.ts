import { HcsError } from './hcs.ts'
import { type Library, type NativeFunction, onThread } from './koffi.ts'

/**
 * Calls a function that returns an HRESULT, on another thread.
 *
 * @param rest what an error is to say behind the function's name
 * @throws HcsError if it is negative
 */
export type HcsCall = (
  name: string,
  types: readonly unknown[],
  rest: string,
  ...args: readonly unknown[]
) => Promise<void>

/** Calls the functions of a library, each bound when it is first called. */
export function callsOf(library: Library): HcsCall {
  const functions = new Map<string, NativeFunction>()
  return async (name, types, rest, ...args) => {
    let bound = functions.get(name)
    if (!bound) {
      bound = library.func(name, 'int32', types)
      functions.set(name, bound)
    }
    const result = await onThread(bound, ...args)
    if (result < 0) throw new HcsError(name, result, rest)
  }
}

/** Whether a library has a function. */
export function hasFunction(library: Library, name: string): boolean {
  try {
    library.func(name, 'int32', [])
    return true
  } catch {
    // That is how koffi says that there is none.
    return false
  }
}

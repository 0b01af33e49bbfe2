/** Who of those who could take part does, and in which order. */
import { isInstalled } from './machine.ts'

/** One who may take part. */
export interface Entrant<T> {
  /** As its row is called. */
  readonly name: string
  /** What must be installed, if it is no part of this checkout. */
  readonly programs?: readonly string[]
  make(): Promise<T> | T
}

/** All who take part, until disposed of. */
export interface Field<T> extends AsyncDisposable {
  readonly all: readonly T[]
}

/**
 * Makes those ready who are wanted and installed; says who is left out.
 *
 * @param only parts of the names of those who are wanted; none for all
 */
export async function field<T extends AsyncDisposable>(
  entrants: readonly Entrant<T>[],
  only: readonly string[],
): Promise<Field<T>> {
  await using ready = new AsyncDisposableStack()
  const all: T[] = []
  for (const { name, programs = [], make } of entrants) {
    if (only.length > 0 && !only.some((part) => name.includes(part))) continue
    const missing: string[] = []
    for (const program of programs) if (!(await isInstalled(program))) missing.push(program)
    if (missing.length > 0) console.error(`left out: ${name}: no ${missing.join(', no ')} here`)
    else all.push(ready.use(await make()))
  }
  if (all.length === 0) {
    const names = entrants.map((one) => one.name).join('; ')
    throw new Error(`Cannot measure: nobody of that name is here (--only); there are: ${names}`)
  }
  const moved = ready.move()
  return { all, [Symbol.asyncDispose]: () => moved.disposeAsync() }
}

/** So that none always follows the same other. */
export function rotated<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length] as T)
}

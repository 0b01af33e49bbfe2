import type { GraphProblem } from '../types.ts'

/**
 * Images whose chain of parents does not end at a base image.
 *
 * @param known images that are there and cannot be read, of which is told elsewhere
 */
export function* linkProblems(
  parents: ReadonlyMap<string, string | undefined>,
  known: { has(id: string): boolean },
): Generator<GraphProblem> {
  for (const [id, parent] of parents) {
    if (parent !== undefined && !parents.has(parent) && !known.has(parent)) {
      const message = `image ${id} stands on ${parent}, which is not there`
      yield { kind: 'missing-parent', id, message }
    } else if (standsOnItself(id, parents)) {
      yield { kind: 'cycle', id, message: `image ${id} stands on itself` }
    }
  }
}

/** Whether it is part of a ring; what stands on a ring is not. */
function standsOnItself(id: string, parents: ReadonlyMap<string, string | undefined>): boolean {
  const seen = new Set<string>()
  for (let at = parents.get(id); at !== undefined && !seen.has(at); at = parents.get(at)) {
    if (at === id) return true
    seen.add(at)
  }
  return false
}

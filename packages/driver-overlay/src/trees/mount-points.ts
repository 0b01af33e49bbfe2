import { readFileSync } from 'node:fs'

/**
 * What this process sees mounted at or beneath a path; nothing where that cannot be told.
 *
 * @param path absolute, and without symbolic links
 */
export function mountPointsIn(path: string): readonly string[] {
  let table: string
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  // proc(5): the fifth field is the mount point, with white space and backslashes in octal.
  const points = table.split('\n').map((line) => unescapeField(line.split(' ', 5)[4] ?? ''))
  return points.filter((point) => point === path || point.startsWith(`${path}/`))
}

function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** What is at each path of a tree, in one line each. */
export type Tree = Readonly<Record<string, string>>

/** Reads a whole tree. The root's own times are nobody's, so it is left out. */
export function readTree(root: string): Tree {
  const tree: Record<string, string> = {}
  const read = (directory: string): void => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = directory === '' ? name : `${directory}/${name}`
      tree[path] = describe(join(root, path))
      if (tree[path].startsWith('directory')) read(path)
    }
  }
  read('')
  return tree
}

function describe(path: string): string {
  const stat = lstatSync(path, { bigint: true })
  const common = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs}`
  if (stat.isDirectory()) return `directory ${common}`
  // Nothing but a flush of the whole file system makes a link's times safe: verify looks at them.
  if (stat.isSymbolicLink()) return `link ${stat.uid}:${stat.gid} ${readlinkSync(path)}`
  if (!stat.isFile()) return `special ${common} ${stat.rdev}`
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)
  return `file ${common} ${stat.nlink} ${stat.size} ${digest}`
}

/**
 * How a tree differs from what it should be.
 *
 * @param changing top directories that somebody else changes
 */
export function differences(
  tree: Tree,
  expected: Tree,
  changing: readonly string[] = [],
): readonly string[] {
  const isFixed = (path: string) => !changing.includes(path.split('/', 1)[0] ?? '')
  const paths = new Set([...Object.keys(tree), ...Object.keys(expected)].filter(isFixed))
  return [...paths]
    .filter((path) => tree[path] !== expected[path])
    .map((path) => `${path} is ${tree[path] ?? 'missing'} instead of ${expected[path] ?? 'absent'}`)
}

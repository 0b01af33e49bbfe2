/** Something that stands under something. */
export interface TreeNode {
  readonly text: string
  readonly children: readonly TreeNode[]
}

/**
 * A tree as lines, in the manner of `git log --graph`. An only child is drawn straight under its
 * parent, so that a long chain of layers does not run off to the right:
 *
 *     ● base
 *     ├─● first child
 *     │ ● its only child
 *     └─● second child
 */
export function drawTree(roots: readonly TreeNode[]): readonly string[] {
  const lines: string[] = []
  for (const root of roots) {
    if (lines.length > 0) lines.push('')
    // Its own stack: a chain can be deeper than calls should be.
    const stack = [{ node: root, first: '', rest: '' }]
    for (let at = stack.pop(); at; at = stack.pop()) {
      const { node, first, rest } = at
      lines.push(`${first}● ${node.text}`)
      const last = node.children.length - 1
      const next = node.children.map((child, i) => {
        if (last === 0) return { node: child, first: rest, rest }
        if (i === last) return { node: child, first: `${rest}└─`, rest: `${rest}  ` }
        return { node: child, first: `${rest}├─`, rest: `${rest}│ ` }
      })
      stack.push(...next.reverse())
    }
  }
  return lines
}

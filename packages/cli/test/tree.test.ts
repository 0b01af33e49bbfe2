import { expect, test } from 'vitest'
import { drawTree, type TreeNode } from '../src/terminal/tree.ts'

const node = (text: string, ...children: TreeNode[]): TreeNode => ({ text, children })

test('an only child stands straight under its parent, siblings branch off', () => {
  const tree = node('base', node('a', node('a1', node('a2')), node('a3')), node('b', node('b1')))
  expect(drawTree([tree, node('other')])).toEqual([
    '● base',
    '├─● a',
    '│ ├─● a1',
    '│ │ ● a2',
    '│ └─● a3',
    '└─● b',
    '  ● b1',
    '',
    '● other',
  ])
})

test('a chain of any depth can be drawn', () => {
  let chain = node('leaf')
  for (let i = 0; i < 50_000; i++) chain = node('x', chain)
  expect(drawTree([chain])).toHaveLength(50_001)
})

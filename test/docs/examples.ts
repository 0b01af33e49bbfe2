/** Finds the examples in documents and docstrings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A program in a document. */
export interface Example {
  /** The document's path in the checkout. */
  readonly document: string
  /** The program's first line there, from 1. */
  readonly line: number
  readonly code: string
}

/**
 * Every `ts` block that imports something: a block without imports is a fragment, not a program.
 *
 * @param root the checkout
 */
export function findExamples(root: string): Example[] {
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)
  const documents = [
    ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'],
    ...packages
      .map((folder) => `${folder}/README.md`)
      .filter((file) => existsSync(join(root, file))),
    ...packages.flatMap((folder) => sources(root, `${folder}/src`)),
  ]
  return documents.flatMap((document) =>
    examplesIn(document, readFileSync(join(root, document), 'utf8')),
  )
}

function sources(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => `${folder}/${name}`)
}

function examplesIn(document: string, text: string): Example[] {
  const found: Example[] = []
  let block: { line: number; lines: string[] } | undefined
  text.split('\n').forEach((raw, index) => {
    // In a docstring each line begins with an asterisk.
    const line = document.endsWith('.ts') ? raw.replace(/^\s*\* ?/, '') : raw
    if (block === undefined) {
      if (/^```ts\s*$/.test(line)) block = { line: index + 2, lines: [] }
    } else if (/^```\s*$/.test(line)) {
      const code = block.lines.join('\n')
      if (/^import /m.test(code)) found.push({ document, line: block.line, code })
      block = undefined
    } else block.lines.push(line)
  })
  if (block) throw new Error(`${document}:${block.line - 1}: this block has no end`)
  return found
}

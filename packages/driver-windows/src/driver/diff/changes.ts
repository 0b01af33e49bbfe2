import type { Change } from '@varve/core'
import type { WinRoot } from '@varve/sys'
import type { LayerItem } from '../../layer/layer-reader.ts'

/**
 * What a layer's items are changes of: Docker calls all but deletions modifications; here what the
 * layer beneath does not have is added. Directories that something was changed in are changed.
 *
 * @param below the layer beneath, if there is one
 */
export async function changesOf(
  items: AsyncIterable<LayerItem>,
  below: WinRoot | undefined,
): Promise<Change[]> {
  const kinds = new Map<string, Change['kind']>()
  for await (const { name, file } of items) {
    if (TOPS.has(name)) continue
    const kind = !file ? 'delete' : (await isIn(below, name)) ? 'modify' : 'add'
    kinds.set(name, kind)
  }
  for (const name of [...kinds.keys()]) {
    for (let dir = parentOf(name); dir.includes('\\'); dir = parentOf(dir)) {
      if (!kinds.has(dir)) kinds.set(dir, 'modify')
    }
  }
  return [...kinds]
    .map(([name, kind]): Change => {
      const path = `/${name.replaceAll('\\', '/')}`
      return { kind, path, rawPath: new TextEncoder().encode(path) }
    })
    .sort((a, b) => Buffer.compare(a.rawPath, b.rawPath))
}

/** The folders themselves are no changes. */
const TOPS: ReadonlySet<string> = new Set(['Files', 'Hives', 'UtilityVM', 'UtilityVM\\Files'])

const parentOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('\\')))

async function isIn(root: WinRoot | undefined, name: string): Promise<boolean> {
  if (!root) return false
  try {
    return (await root.stat(name)) !== undefined
  } catch (error) {
    // A file or link is where the name has a directory.
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR' || code === 'ENOENT') return false
    throw error
  }
}

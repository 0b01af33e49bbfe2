/** File trees as text, one line a file, so that two trees made by two tools can be compared. */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { run } from './run.ts'

const ENCODING = 'latin1'

/**
 * Everything that a layer can say about each file beneath `root`: type, mode, owner, size, change
 * time in ns, device, link target, which names are one file, content, xattrs. Not the root's own
 * time, which Docker leaves as it is, and others take from the layer.
 */
export async function treeOf(root: string): Promise<string[]> {
  const lines: string[] = []
  const firstName = new Map<bigint, string>()
  const visit = (path: string) => {
    // Not `join`: the root may be a link in /proc to what is mounted nowhere.
    const full = Buffer.from(`${root}/${path}`, ENCODING)
    const stat = lstatSync(full, { bigint: true })
    const facts = [stat.mode.toString(8), `${stat.uid}:${stat.gid}`]
    if (path !== '.') facts.push(`${stat.mtimeNs}`)
    if (stat.isCharacterDevice() || stat.isBlockDevice()) facts.push(`device ${stat.rdev}`)
    if (stat.isSymbolicLink()) facts.push(`-> ${readlinkSync(full, ENCODING)}`)
    if (stat.isFile()) {
      facts.push(createHash('sha256').update(readFileSync(full)).digest('hex').slice(0, 16))
      const first = firstName.get(stat.ino)
      if (first !== undefined) facts.push(`= ${first}`)
      else firstName.set(stat.ino, path)
    }
    lines.push(`${path} ${facts.join(' ')}`)
    if (stat.isDirectory()) {
      for (const name of readdirSync(full, ENCODING).sort()) visit(`${path}/${name}`)
    }
  }
  visit('.')
  return [...lines, ...(await xattrsOf(root))]
}

async function xattrsOf(root: string): Promise<string[]> {
  const text = await run('getfattr', ['-Rhd', '-m', '-', '-e', 'hex', '.'], { cwd: root })
  return text
    .split('\n\n')
    .filter((block) => block.trim() !== '')
    .map((block) => `xattrs of ${block.trim().split('\n').sort().join(' ')}`)
    .sort()
}

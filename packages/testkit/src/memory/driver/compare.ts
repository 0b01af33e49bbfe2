import type { Change } from '@varve/core'
import { type TarEntry, tarOf } from '../../tar/build.ts'
import { bytesOf, type Raw, sameBytes, textOf } from '../../tar/bytes.ts'
import { type Node, newNode } from './tree.ts'

/** One path that differs. */
export interface Difference {
  readonly kind: Change['kind']
  readonly path: Raw
  readonly node: Node
}

/** The differences between two trees, sorted by raw path; directories on the way are modified. */
export function differences(before: Node, after: Node): Difference[] {
  return [...compare(before, after, '', false)].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** As the driver contract tells them. */
export function changesOf(found: readonly Difference[]): Change[] {
  return found.map(({ kind, path }) => {
    const rawPath = bytesOf(`/${path}`)
    return { kind, path: textOf(`/${path}`), rawPath }
  })
}

/** Bytes of the files that were added or modified, each file once. */
export function sizeOf(found: readonly Difference[]): number {
  const files = new Set(found.filter(({ kind }) => kind !== 'delete').map(({ node }) => node))
  let size = 0
  for (const node of files) size += node.data.length
  return size
}

/** The differences as a layer tar. */
export function tarOfDifferences(found: readonly Difference[]): Uint8Array {
  const names = new Map<Node, Raw>()
  const entries = found.map(({ kind, path, node }): TarEntry => {
    if (kind === 'delete') return { name: bytesOf(whiteoutOf(path)), mode: 0, mtime: 0 }
    const first = names.get(node)
    if (first === undefined) names.set(node, path)
    return entryOf(path, node, node.type === 'dir' ? undefined : first)
  })
  return tarOf(entries)
}

/** Texts on how a tree differs from what it should be, one for each path. */
export function* comparison(wanted: Node, found: Node): Generator<string> {
  const root = newNode('dir', 0)
  root.children.set('', wanted)
  const other = newNode('dir', 0)
  other.children.set('', found)
  for (const { path, kind, node } of compare(root, other, '', true)) {
    const verb = { add: 'should not be there', delete: 'is missing', modify: 'differs' }[kind]
    yield `${textOf(path) || '/'}: ${node.type} ${verb}`
  }
}

function* compare(before: Node, after: Node, prefix: Raw, strict: boolean): Generator<Difference> {
  for (const [name, node] of after.children) {
    const path = prefix + name
    const old = before.children.get(name)
    const below = [
      ...compare(
        old?.type === 'dir' && node.type === 'dir' ? old : newNode('dir', 0),
        node,
        `${path}/`,
        strict,
      ),
    ]
    if (!old) yield { kind: 'add', path, node }
    else if (!same(old, node, strict) || (below.length > 0 && !strict)) {
      yield { kind: 'modify', path, node }
    }
    yield* below
  }
  for (const [name, node] of before.children) {
    if (!after.children.has(name)) yield { kind: 'delete', path: prefix + name, node }
  }
}

function same(a: Node, b: Node, strict: boolean): boolean {
  return (
    a.type === b.type &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.link === b.link &&
    a.device === b.device &&
    // A directory's time changes with its names, which are told by themselves.
    (a.mtime === b.mtime || (a.type === 'dir' && !strict)) &&
    sameBytes(a.data, b.data) &&
    sameXattrs(a.xattrs, b.xattrs)
  )
}

function sameXattrs(a: Node['xattrs'], b: Node['xattrs']): boolean {
  if (a.size !== b.size) return false
  return [...a].every(([key, value]) => sameBytes(value, b.get(key) ?? new Uint8Array(0)))
}

function whiteoutOf(path: Raw): Raw {
  const slash = path.lastIndexOf('/') + 1
  return `${path.slice(0, slash)}.wh.${path.slice(slash)}`
}

function entryOf(path: Raw, node: Node, linkTo: Raw | undefined): TarEntry {
  const seconds = Number(node.mtime / 1_000_000_000n)
  const fraction = node.mtime % 1_000_000_000n
  const common = {
    name: bytesOf(node.type === 'dir' ? `${path}/` : path),
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    mtime: seconds,
    xattrs: Object.fromEntries(node.xattrs),
    ...(fraction > 0n ? { pax: { mtime: `${seconds}.${String(fraction).padStart(9, '0')}` } } : {}),
  }
  if (linkTo !== undefined) return { ...common, type: 'hardlink', link: bytesOf(linkTo) }
  const [major = '0', minor = '0'] = node.device.split(':')
  return {
    ...common,
    type: node.type,
    data: node.data,
    link: bytesOf(node.link),
    major: Number(major),
    minor: Number(minor || '0'),
  }
}

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { AT, type NativeCalls, S } from '@varve/sys'
import fc from 'fast-check'
import { bytes } from './place.ts'

/** Something done to a mounted layer; what cannot be done where it is tried is left. */
export interface Edit {
  readonly kind: keyof typeof EDITS
  readonly path: string
  readonly other: string
  readonly text: string
}

/** `struct vfs_cap_data`, version 2: some capability. */
const CAPABILITY = new Uint8Array([1, 0, 0, 2, 0, 0x20, ...new Uint8Array(14)])

/** Does the edits beneath a directory, without following a link out of it. */
export function edit(native: NativeCalls, root: string, all: readonly Edit[]): void {
  for (const one of all) {
    try {
      const [at, to] = [join(root, one.path), join(root, one.other)]
      for (const name of [at, to]) stayInside(root, name)
      EDITS[one.kind]({ native, at, to, text: one.text })
    } catch (error) {
      // Not there, or of another type: then this edit is none, in every tree alike.
      if (!/^E[A-Z]+/.test((error as { code?: string }).code ?? '')) throw error
    }
  }
}

interface Place {
  readonly native: NativeCalls
  readonly at: string
  readonly to: string
  readonly text: string
}

const EDITS = {
  write: ({ at, text }) => replaceFile(at, text),
  append: ({ at, text }) => whenFile(at, () => fs.appendFileSync(at, text)),
  sparse: ({ at, text }) => whenFile(at, () => fs.truncateSync(at, 100_000 + text.length)),
  mkdir: ({ at }) => fs.mkdirSync(at),
  remove: ({ at }) => fs.rmSync(at, { recursive: true }),
  rename: ({ at, to }) => move(at, to),
  link: ({ at, to }) => fs.linkSync(at, to),
  symlink: ({ at, text }) => fs.symlinkSync(text, at),
  chmod({ at, text }) {
    if (!fs.lstatSync(at).isSymbolicLink()) fs.chmodSync(at, 0o600 + text.length)
  },
  chown: ({ at, text }) => fs.lchownSync(at, text.length, 7),
  touch: ({ at, text }) => fs.lutimesSync(at, 1_300_000_000, 1_300_000_000 + text.length),
  // Alone, as in Docker, it is no change that is noticed.
  xattr({ native, at, text }) {
    native.setxattr(AT.FDCWD, bytes(at), bytes('trusted.mine'), bytes(text))
    fs.lchownSync(at, 9, 9)
  },
  capability({ native, at }) {
    whenFile(at, () => {
      native.setxattr(AT.FDCWD, bytes(at), bytes('security.capability'), CAPABILITY)
    })
  },
  device: ({ native, at, text }) => {
    native.mknodat(AT.FDCWD, bytes(at), S.IFCHR | 0o600, 1, text.length)
  },
  socket: ({ native, at }) => native.mknodat(AT.FDCWD, bytes(at), S.IFSOCK | 0o600),
  strange: ({ at, text }) =>
    fs.writeFileSync(Buffer.concat([bytes(at), Uint8Array.of(0xff, 0xfe)]), text),
  // Opaque, where the directory was there before.
  remake({ at, text }) {
    fs.rmSync(at, { recursive: true })
    fs.mkdirSync(at)
    fs.writeFileSync(join(at, 'a'), text)
  },
  swap({ at, text }) {
    const isDirectory = fs.lstatSync(at).isDirectory()
    fs.rmSync(at, { recursive: true })
    if (isDirectory) fs.writeFileSync(at, text)
    else fs.mkdirSync(at)
  },
} as const satisfies Readonly<Record<string, (place: Place) => void>>

function whenFile(path: string, then: () => void): void {
  if (fs.lstatSync(path).isFile()) then()
}

const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))

export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...(Object.keys(EDITS) as Edit['kind'][])),
    path,
    other: path,
    text: fc.constantFrom('1', '22', '333'),
  }),
  { minLength: 1, maxLength: 10 },
)

/** A new inode, as most programs write. */
function replaceFile(path: string, text: string): void {
  if (fs.existsSync(path) && fs.lstatSync(path).isDirectory()) return
  fs.rmSync(path, { force: true })
  fs.writeFileSync(path, text)
}

/** As mv: overlay does not rename directories that are beneath. */
function move(from: string, to: string): void {
  try {
    fs.renameSync(from, to)
  } catch (error) {
    if ((error as { code?: string }).code !== 'EXDEV') throw error
    // What rename would have said of the rest.
    if (`${to}/`.startsWith(`${from}/`)) return
    if (fs.existsSync(to) && fs.readdirSync(to).length > 0) return
    fs.rmSync(to, { recursive: true, force: true })
    execFileSync('mv', ['-T', from, to])
  }
}

function stayInside(root: string, path: string): void {
  for (let up = dirname(path); up.length > root.length; up = dirname(up)) {
    if (!fs.lstatSync(up).isDirectory()) throw Object.assign(new Error(up), { code: 'ENOTDIR' })
  }
}

import { encodeHeader } from '@varve/tar'
import { expect, test } from 'vitest'
import { scan, utf8 } from './helpers.ts'

const meta = { name: utf8('link'), mode: 0o120000, uid: 0, gid: 0, mtime: { sec: 5, nsec: 0 } }

test('records of vendors and fractions of seconds come back as they were written', () => {
  const records = new Map([
    ['MSWINDOWS.fileattr', utf8('1056')],
    ['MSWINDOWS.xattr.EMPTY', utf8('')],
    ['mtime', utf8('5.25')],
  ])
  const blocks = encodeHeader({ ...meta, type: 'symlink', linkname: utf8('x'), records })
  const [first] = scan(blocks).entries
  expect(first?.entry.mtime).toEqual({ sec: 5, nsec: 250_000_000 })
  records.delete('mtime')
  expect(first?.entry.records).toEqual(records)
})

test('what POSIX and GNU give a meaning to is not among the records', () => {
  const records = new Map([
    ['path', utf8('renamed')],
    ['SCHILY.xattr.user.x', utf8('x')],
    ['comment', utf8('none')],
  ])
  const [first] = scan(encodeHeader({ ...meta, type: 'symlink', records })).entries
  expect(first?.entry.name).toEqual(utf8('renamed'))
  expect(first?.entry.records.size).toBe(0)
})

test('a type without a payload keeps the size that it claims', () => {
  const [first] = scan(encodeHeader({ ...meta, type: 'symlink', claimedSize: 77 })).entries
  expect([first?.entry.size, first?.entry.claimedSize]).toEqual([0, 77])
})

test('a record without a name, or with an equals sign in it, is refused', () => {
  for (const key of ['', 'A.b=c', 'A.\0', 'A.\u0100']) {
    const records = new Map([[key, utf8('x')]])
    expect(() => encodeHeader({ ...meta, type: 'symlink', records })).toThrow(/no PAX record/)
  }
})

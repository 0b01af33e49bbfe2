/** What a tar says of a file is true of the file, and of the tar that comes back. */
import assert from 'node:assert/strict'
import { allOf } from '../expect.ts'
import { bytesOf, raw } from '../tar/bytes.ts'
import type { DriverCase } from './case.ts'
import type { Shown } from './kit.ts'

export const metadataKept: readonly DriverCase[] = [
  {
    name: 'modes are kept: sticky directory, setuid file, no bits at all',
    run: async (kit) => {
      const id = await kit.layer([
        { name: 'sticky/', mode: 0o1705 },
        { name: 'setuid', mode: 0o4222, data: 's' },
        { name: 'group', mode: 0o2755, data: 'g' },
        { name: 'plain', mode: 0o644, data: 'p' },
        { name: 'none', mode: 0, data: '' },
      ])
      const told = await kit.told(id)
      const modes = [...told].map(([path, node]) => `${path} ${node.mode.toString(8)}`)
      assert.deepEqual(modes.sort(), [
        'group 2755',
        'none 0',
        'plain 644',
        'setuid 4222',
        'sticky 1705',
      ])
      if (!kit.around.isRoot) return
      const shown = await kit.shown(await kit.create(id))
      assert.equal(shown.get('sticky')?.mode, 0o1705)
      assert.equal(shown.get('setuid')?.mode, 0o4222)
      assert.equal(shown.get('none')?.mode, 0)
    },
  },
  {
    name: 'owners are kept, and setuid with them',
    when: ({ keeps }) => keeps.owner,
    run: async (kit) => {
      const id = await kit.layer([
        { name: 'd/', uid: 1, gid: 2, mode: 0o1705 },
        { name: 'd/f', uid: 1000, gid: 100_000, mode: 0o6755, data: 'f' },
        { name: 's', type: 'symlink', link: 'd', uid: 3, gid: 4 },
      ])
      const told = await kit.told(id)
      const owners = [...told].map(([path, { uid, gid }]) => `${path} ${uid}:${gid}`)
      assert.deepEqual(owners, ['d 1:2', 'd/f 1000:100000', 's 3:4'])
      assert.equal(told.get('d/f')?.mode, 0o6755)
      if (!kit.around.isRoot) return
      const shown = await kit.shown(await kit.create(id))
      assert.equal(shown.get('d')?.owner, '1:2')
      assert.equal(shown.get('d/f')?.owner, '1000:100000')
      assert.equal(shown.get('d/f')?.mode, 0o6755)
      assert.equal(shown.get('s')?.owner, '3:4')
    },
  },
  {
    name: 'times are kept, those of directories too, whatever is put in them later',
    run: async (kit) => {
      const id = await kit.layer([
        { name: 'd/', mtime: 1_000_000_000 },
        { name: 'd/f', mtime: 1_100_000_000, data: 'f' },
        { name: 's', type: 'symlink', link: 'd', mtime: 1_200_000_000 },
        { name: 'old', mtime: -5, data: 'o' },
        { name: 'd/late', mtime: 1_300_000_000, data: 'l' },
      ])
      const shown = await kit.shown(id)
      const times = ['d', 'd/f', 's', 'd/late', 'old'].map((path) => shown.get(path)?.mtime)
      assert.deepEqual(times, [1_000_000_000, 1_100_000_000, 1_200_000_000, 1_300_000_000, 0])
    },
  },
  {
    name: 'hard links are one file, within the layer and in its tar',
    run: async (kit) => {
      const id = await kit.layer([
        { name: 'a', data: 'linked', mode: 0o600 },
        { name: 'd/b', type: 'hardlink', link: 'a', mode: 0o640 },
        { name: 'd/c', type: 'hardlink', link: 'd/b', mode: 0o640 },
        { name: 'alone', data: 'linked' },
      ])
      check(await kit.shown(id))
      check(await kit.shown(await kit.layer([await kit.diff(id)])))
      const told = await kit.told(id)
      assert.equal(told.get('a'), told.get('d/c'))
      assert.notEqual(told.get('a'), told.get('alone'))
    },
  },
  {
    name: 'a hard link to a symlink is the symlink',
    run: async (kit) => {
      const id = await kit.layer([
        { name: 's', type: 'symlink', link: 'nowhere' },
        { name: 't', type: 'hardlink', link: 's' },
      ])
      const shown = await kit.shown(id)
      assert.equal(shown.get('t')?.type, 'symlink')
      assert.equal(shown.get('t')?.text, 'nowhere')
    },
  },
  {
    name: 'xattrs are kept, bytes of any value',
    when: ({ keeps }) => keeps.xattrs,
    run: async (kit) => {
      const value = Uint8Array.of(0, 255, 10, 61, 128, 0)
      const id = await kit.layer([
        { name: 'f', data: 'f', xattrs: { 'user.text': 'hello', 'user.binary': value } },
        { name: 'd/', xattrs: { 'user.dir': 'yes' } },
        { name: 'bare', data: 'b' },
      ])
      for (const layer of [id, await kit.create(id)]) {
        const told = await kit.told(layer)
        assert.deepEqual(listed(told.get('f')?.xattrs), [
          ['user.binary', raw(value)],
          ['user.text', 'hello'],
        ])
        assert.deepEqual(listed(told.get('d')?.xattrs), [['user.dir', 'yes']])
        assert.deepEqual(listed(told.get('bare')?.xattrs), [])
      }
    },
  },
  {
    name: 'devices and pipes are kept',
    when: ({ keeps }) => keeps.devices,
    run: async (kit) => {
      const id = await kit.layer([
        { name: 'null', type: 'char', major: 1, minor: 3, mode: 0o666 },
        { name: 'disk', type: 'block', major: 259, minor: 70_000, mode: 0o660 },
        { name: 'pipe', type: 'fifo', mode: 0o600 },
      ])
      const told = await kit.told(await kit.create(id))
      const seen = [...told].map(([path, node]) => `${path} ${node.type} ${node.device}`.trim())
      assert.deepEqual(seen, ['disk block 259:70000', 'null char 1:3', 'pipe fifo'])
    },
  },
  {
    name: 'names that are not UTF-8 are kept byte for byte',
    when: () => process.platform === 'linux',
    run: async (kit) => {
      const name = bytesOf('caf\xe9/\xff\xfe')
      const id = await kit.layer([{ name, data: 'latin' }])
      const wanted = ['/caf\xe9', '/caf\xe9/\xff\xfe']
      for (const layer of [id, await kit.layer([await kit.diff(id)])]) {
        const changes = await allOf(kit.driver.changes(layer))
        assert.deepEqual(
          changes.map(({ rawPath }) => raw(rawPath)),
          wanted,
        )
        assert.deepEqual(
          changes.map(({ path }) => path),
          ['/caf\ufffd', '/caf\ufffd/\ufffd\ufffd'],
        )
      }
    },
  },
]

function check(shown: ReadonlyMap<string, Shown>): void {
  for (const path of ['a', 'd/b', 'd/c']) {
    const { text, links, mode } = shown.get(path) ?? {}
    assert.deepEqual({ text, links, mode }, { text: 'linked', links: 3, mode: 0o640 }, path)
  }
  assert.equal(shown.get('alone')?.links, 1)
}

function listed(xattrs: ReadonlyMap<string, Uint8Array> | undefined): [string, string][] {
  return [...(xattrs ?? [])].map(([key, value]): [string, string] => [key, raw(value)]).sort()
}

/** Cases about files by handle, and the streams in which they are backed up. */
import { createHash } from 'node:crypto'
import { collect } from '@varve/core'
import { encodePartHeader, STREAM } from '@varve/driver-windows'
import type { FileBasicInfo, WinRoot } from '@varve/sys'
import type { TestFunction } from '@varve/testkit'
import { equal, home, openBackups } from './probes.ts'
import { calls } from './windows-bed.ts'

const INFO: FileBasicInfo = {
  creation: 131659872000000001n,
  lastAccess: 131659872000000002n,
  lastWrite: 131659872000000003n,
  change: 131659872000000004n,
  attributes: 0x22,
}
const LINK = Buffer.from('0c0000a00000', 'hex')
const part = (id: number, payload: Uint8Array, name = '') =>
  Buffer.concat([encodePartHeader({ id, size: payload.length, name }), payload])
const block = (offset: number, payload: Uint8Array) =>
  Buffer.concat([
    encodePartHeader({ id: STREAM.sparseBlock, attributes: 8, size: payload.length, offset }),
    payload,
  ])

async function restored(root: WinRoot, name: string, stream: Uint8Array): Promise<void> {
  await using file = await root.create(name)
  // In pieces of all sizes: a header may be cut anywhere.
  for (let at = 0, size = 1; at < stream.length; at += size, size = (size * 7) % 61) {
    await file.backupWrite(stream.subarray(at, at + size), true)
  }
  await file.setInfo(INFO)
}

async function backup(root: WinRoot, name: string, security = true): Promise<Uint8Array> {
  await using file = await root.open(name, 'read')
  return await collect(file.backupRead(security), 1 << 24)
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const codeOf = (call: Promise<unknown>) =>
  call.then(String, (error: NodeJS.ErrnoException) => error.code)

export function fileCases(test: TestFunction): void {
  test('files have what they were given, and names lead nowhere else', async () => {
    await using root = await calls.fs.openRoot(home())
    await root.mkdir('d')
    {
      await using file = await root.create('d\\Grün.txt')
      await file.write(Buffer.from('content'))
      await file.setInfo(INFO)
    }
    await root.link('d\\second', 'd\\Grün.txt')
    const stat = await root.stat('D\\grÜN.txt')
    const { creation, lastWrite, change, attributes } = stat?.info ?? INFO
    equal([stat?.size, stat?.links, attributes], [7, 2, INFO.attributes])
    equal(
      [creation, lastWrite, change].map(String),
      [INFO.creation, INFO.lastWrite, INFO.change].map(String),
    )
    equal([...(await root.list('d'))].sort(), ['Grün.txt', 'second'])
    const failures = [root.mkdir('d'), root.open('none', 'read'), root.remove('d')]
    const codes = await Promise.all([...failures, root.create('d\\Grün.txt')].map(codeOf))
    equal(codes, ['EEXIST', 'ENOENT', 'ENOTEMPTY', 'EEXIST'])
    await root.removeAll('d')
    await root.removeAll('d')
    equal(await root.stat('d'), undefined)
  })

  test('a backup stream comes back byte for byte, whatever is in it', async () => {
    await using root = await calls.fs.openRoot(home())
    const data = Buffer.alloc(600_000, 'data')
    const before = [
      part(STREAM.security, Buffer.alloc(20, 1)),
      part(STREAM.extendedAttributes, Buffer.alloc(24, 2)),
    ]
    const behind = [
      part(STREAM.alternate, Buffer.from('other'), ':a:$DATA'),
      part(STREAM.alternate, Buffer.alloc(0), ':empty:$DATA'),
      part(STREAM.objectID, Buffer.alloc(64, 3)),
    ]
    const streams: Record<string, Buffer> = {
      plain: Buffer.concat([...before, part(STREAM.data, data), ...behind]),
      sparse: Buffer.concat([
        encodePartHeader({ id: STREAM.data, attributes: 8, size: 0 }),
        block(65_536, data.subarray(0, 1000)),
        block(1 << 20, data.subarray(0, 5)),
        block(2 << 20, Buffer.alloc(0)),
        ...behind,
      ]),
      link: Buffer.concat([...before, part(STREAM.reparse, LINK)]),
    }
    for (const [name, stream] of Object.entries(streams)) {
      await restored(root, name, stream)
      equal(sha(await backup(root, name)), sha(stream))
    }
    const own = Buffer.concat([...before.slice(1), part(STREAM.data, data), ...behind])
    equal(sha(await backup(root, 'plain', false)), sha(own))
    equal((await root.stat('sparse'))?.size, 2 << 20)
    equal((await root.stat('link'))?.info.attributes, INFO.attributes | 0x400)
    await using alternate = await root.open('plain:a', 'read')
    equal(Buffer.from(await collect(alternate.read(), 100)).toString(), 'other')
    equal(await codeOf(root.open('plain:none', 'read')), 'ENOENT')
    equal(openBackups(), 0)
  })

  test('no name leads through a directory that is a link', async () => {
    await using root = await calls.fs.openRoot(home())
    await root.mkdir('d')
    await root.mkdir('d\\inner')
    equal((await root.stat('d\\inner')) !== undefined, true)
    {
      await using directory = await root.open('d', 'write')
      await directory.backupWrite(part(STREAM.reparse, LINK), true)
    }
    equal(await codeOf(root.open('d\\inner', 'read')), 'ENOTDIR')
    equal(await codeOf(root.create('d\\file')), 'ENOTDIR')
    equal(await root.stat('d\\inner'), undefined)
  })

  test('what is read-only is removed with the rest', async () => {
    await using root = await calls.fs.openRoot(home())
    await root.mkdir('d')
    {
      await using file = await root.create('d\\kept')
      await file.setInfo({ ...INFO, attributes: 1 })
    }
    equal((await root.stat('d\\kept'))?.info.attributes, 1)
    await root.removeAll('d')
    equal(await root.stat('d'), undefined)
  })
}

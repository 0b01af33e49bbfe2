/** A layer's folder is compared with what its tar makes of it. */
import { existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheID, newCacheID, openStore } from '@varve/core'
import {
  ATTRIBUTE,
  emulatedFs,
  encodeExtendedAttributes,
  encodePartHeader,
  encodeReparsePoint,
  STREAM,
  securityDescriptorOf,
  writeBackupToTar,
} from '@varve/driver-windows'
import { metadataFs } from '@varve/metadata-fs'
import type { WinRoot } from '@varve/sys'
import { endOfArchive } from '@varve/tar'
import { tarSplit } from '@varve/tarsplit'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, type Bed, bed, bytesOf, layer, UPPER, VARIANTS } from './beds.ts'

const INFO = {
  creation: 131_659_872_000_000_000n,
  lastAccess: 131_659_872_000_000_000n,
  lastWrite: 131_659_873_000_000_000n,
  change: 131_659_872_000_000_000n,
}

function part(id: number, payload: Uint8Array, name = ''): Uint8Array {
  return Buffer.concat([encodePartHeader({ id, size: payload.length, name }), payload])
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A layer with everything that a file of Windows can have. */
async function richTar(): Promise<Uint8Array> {
  const data = utf8('content')
  const rich = [
    part(STREAM.security, securityDescriptorOf('O:BAG:BAD:(A;;FA;;;BA)')),
    part(
      STREAM.extendedAttributes,
      encodeExtendedAttributes([{ name: 'KEY', value: utf8('value'), flags: 0 }]),
    ),
    part(STREAM.data, data),
    part(STREAM.alternate, utf8('beside'), ':zone:$DATA'),
  ]
  const link = [part(STREAM.reparse, encodeReparsePoint({ target: 'a.txt', isMountPoint: false }))]
  const entries = [
    { name: 'Files', attributes: ATTRIBUTE.directory, size: 0, stream: [] },
    { name: 'Files\\d', attributes: ATTRIBUTE.directory, size: 0, stream: [] },
    { name: 'Files\\d\\rich', attributes: ATTRIBUTE.archive, size: data.length, stream: rich },
    {
      name: 'Files\\link',
      attributes: ATTRIBUTE.archive | ATTRIBUTE.reparsePoint,
      size: 0,
      stream: link,
    },
  ]
  const pieces: Uint8Array[] = []
  for (const { name, attributes, size, stream } of entries) {
    const file = { name, size, info: { ...INFO, attributes }, stream }
    for await (const piece of writeBackupToTar(file)) pieces.push(piece.slice())
  }
  const links = tarOf([
    { name: 'Files/second', type: 'hardlink', link: 'Files/d/rich' },
    { name: 'Files/.wh.a.txt' },
    { name: 'Hives/' },
    { name: 'Hives/System_Delta', data: 'regf' },
    { name: 'UtilityVM/Files/EFI/Microsoft/Boot/BCD', data: 'boot' },
    { name: 'UtilityVM/Files/x', data: 'x' },
  ])
  pieces.push(links.subarray(0, links.length - 1024), endOfArchive())
  return Buffer.concat(pieces)
}

const found = (one: Bed, id: CacheID, tar: Uint8Array, parent?: CacheID): Promise<string[]> =>
  allOf(one.driver.verify(id, [tar], parent === undefined ? {} : { parent }))

describe.each(VARIANTS.filter(([, { flavour, tp4 }]) => flavour === 'filter' && !tp4))(
  '%s',
  (_title, variant) => {
    test('a layer that is as it was made has no differences', async () => {
      await using one = await bed(variant)
      const base = await layer(one.driver, BASE)
      expect(await found(one, base, BASE)).toEqual([])
      const rich = await richTar()
      const alone = await layer(one.driver, rich)
      expect(await found(one, alone, rich)).toEqual([])
      const top = await layer(one.driver, rich, base)
      expect(await found(one, top, rich, base)).toEqual([])
      const upmost = await layer(one.driver, UPPER, top)
      expect(await found(one, upmost, UPPER, top)).toEqual([])
      // What it gives back says the same.
      expect(await found(one, upmost, await bytesOf(one.driver.diff(upmost, top)), top)).toEqual([])
    })
  },
)

describe('of a layer that was altered the file is named:', () => {
  const write = async (root: WinRoot, name: string, bytes: string) => {
    await using file = await root.create(name)
    await file.write(utf8(bytes))
  }
  const cases: Readonly<
    Record<string, readonly [alter: (root: WinRoot) => Promise<unknown>, difference: RegExp]>
  > = {
    'a file that is missing': [(root) => root.remove('Files\\link'), /^Files\/link is missing$/],
    'a file too many': [
      (root) => write(root, 'Files\\d\\more', 'x'),
      /^Files\/d\/more should not be there$/,
    ],
    'a file that was deleted': [
      (root) => write(root, 'Files\\a.txt', 'a'),
      /^Files\/a.txt is there, though it was deleted$/,
    ],
    'a file cut short': [
      async (root) => truncateSync(join(root.path, 'Files/d/rich'), 3),
      /^Files\/d\/rich: size is 3 instead of 7$/,
    ],
    'a file of the layer beneath cut short': [
      async (root) => {
        // Its own from now on.
        rmSync(join(root.path, 'Files/d/b.txt'))
        writeFileSync(join(root.path, 'Files/d/b.txt'), 'b')
      },
      /^Files\/d\/b.txt is not what is beneath$/,
    ],
    'another kind of file': [
      async (root) => {
        await root.remove('Files\\link')
        await root.mkdir('Files\\link')
      },
      /^Files\/link: attributes is 0x10 instead of 0x400$/,
    ],
    'another time': [
      async (root) => {
        await using file = await root.open('Files\\d\\rich', 'write')
        await file.setInfo({ ...INFO, attributes: ATTRIBUTE.archive, lastWrite: 1n })
      },
      /^Files\/d\/rich: lastWrite is 1 instead of 131659873000000000$/,
    ],
    'other attributes': [
      async (root) => {
        await using file = await root.open('Files\\d\\rich', 'write')
        await file.setInfo({ ...INFO, attributes: ATTRIBUTE.archive | ATTRIBUTE.hidden })
      },
      /^Files\/d\/rich: attributes is 0x2 instead of 0x0$/,
    ],
    'another stream': [
      async (root) => {
        await using file = await root.open('Files\\d\\rich', 'write')
        await file.backupWrite(part(STREAM.alternate, utf8('changed'), ':zone:$DATA'), true)
      },
      /^Files\/d\/rich: (stream :zone|security|extended attributes) is different$/,
    ],
    'a hard link that is a copy': [
      async (root) => {
        await root.remove('Files\\second')
        await write(root, 'Files\\second', 'content')
        await using file = await root.open('Files\\second', 'write')
        await file.setInfo({ ...INFO, attributes: ATTRIBUTE.archive })
      },
      /^Files\/second is not the same file as Files\/d\/rich$/,
    ],
    'a hive that is missing': [
      (root) => root.remove('Hives\\System_Delta'),
      /^Hives\/System_Delta is missing$/,
    ],
  }

  test.for(Object.entries(cases))('%s', async ([, [alter, difference]]) => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const tar = await richTar()
    const id = await layer(one.driver, tar, base)
    {
      await using root = await emulatedFs().openRoot(join(one.root, id))
      await alter(root)
    }
    const differences = await found(one, id, tar, base)
    expect(
      differences.some((text) => difference.test(text)),
      differences.join('\n'),
    ).toBe(true)
  })
})

test('a store finds nothing wrong with its layers, and names the file of one that was altered', async () => {
  await using one = await bed()
  const metadata = await metadataFs({ root: join(one.root, '../layerdb') })
  const store = await openStore({ driver: one.driver, metadata, codec: tarSplit() })
  const base = await store.register([BASE])
  const top = await store.register([await richTar()], { parent: base.chainID })
  expect(await allOf(store.check({ full: true }))).toEqual([])
  const [dir = ''] = (await allOf(one.driver.list())).filter((id) =>
    existsSync(join(one.root, id, 'Files/d/rich')),
  )
  {
    await using root = await emulatedFs().openRoot(join(one.root, dir))
    await root.remove('Files\\link')
  }
  const problems = await allOf(store.check({ full: true }))
  expect(JSON.stringify(problems)).toContain('Files/link is missing')
  await store.release(top)
  await store.release(base)
  await store[Symbol.asyncDispose]()
})

test('what is not there, or does not stand on that, cannot be verified', async () => {
  await using one = await bed()
  const base = await layer(one.driver, BASE)
  await expect(found(one, newCacheID(), BASE)).rejects.toMatchObject({
    code: 'ERR_LAYER_NOT_FOUND',
  })
  const other = await layer(one.driver, BASE)
  const top = await layer(one.driver, UPPER, base)
  await expect(found(one, top, UPPER, other)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  })
  const cut = found(one, base, BASE.subarray(0, 1000))
  await expect(cut).rejects.toMatchObject({ code: 'ERR_TRUNCATED' })
})

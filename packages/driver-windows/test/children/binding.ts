/** Cases about the binding of vmcompute.dll alone. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HcsError } from '@varve/sys'
import type { TestFunction } from '@varve/testkit'
import { equal, failing, home, logged } from './probes.ts'
import { calls } from './windows-bed.ts'

const { hcs } = calls

export function bindingCases(test: TestFunction): void {
  test('every function gets its arguments as C has them', async () => {
    const root = home()
    const info = { flavour: 1, homeDir: root } as const
    const image = join(root, 'Grün 😀')
    mkdirSync(join(image, 'Files'), { recursive: true })
    let guid: Uint8Array = new Uint8Array(0)
    const lines = await logged(async () => {
      await hcs.createLayer(info, 'base', '')
      guid = await hcs.nameToGuid('base')
      const chain = [{ guid, path: `${root}\\base` }]
      await hcs.createSandboxLayer(info, 'rw', undefined, chain)
      await hcs.createSandboxLayer(info, 'rw2', 'base', chain)
      await hcs.expandSandboxSize(info, 'rw', 2n ** 40n)
      await hcs.copyLayer(info, 'base', 'copy', [])
      equal(await hcs.layerExists(info, 'copy'), true)
      equal(await hcs.layerExists(info, 'none'), false)
      equal(await hcs.getLayerMountPath(info, 'base'), `${root}\\base`)
      await hcs.createLayer(info, 'without-path', '')
      equal(await hcs.getLayerMountPath(info, 'without-path'), '')
      await hcs.processBaseImage(image)
      await hcs.processUtilityImage(image)
      await hcs.grantVmAccess('vm', image)
    })
    const id = Buffer.from(guid).readUInt32LE().toString(16).padStart(8, '0')
    const one = `1 ${id}:0:${root}\\base`
    equal(lines, [
      `CreateLayer 1 [${root}] base []`,
      'NameToGuid base',
      `CreateSandboxLayer rw NULL ${one}`,
      `CreateSandboxLayer rw2 base ${one}`,
      `ExpandSandboxSize rw ${2n ** 40n}`,
      'CopyLayer base copy 0 NULL',
      'LayerExists copy',
      'LayerExists none',
      'GetLayerMountPath base NULL',
      'GetLayerMountPath base buffer',
      `CreateLayer 1 [${root}] without-path []`,
      'GetLayerMountPath without-path NULL',
      `ProcessBaseImage ${image}`,
      `ProcessUtilityImage ${image}`,
      `GrantVmAccess vm ${image}`,
    ])
  })

  test('a layer goes in and comes out file by file, with its deletions', async () => {
    const info = { flavour: 1, homeDir: home() } as const
    const written = 131659872000000003n
    const times = { creation: written - 2n, lastAccess: written - 1n, lastWrite: written }
    const file = { ...times, change: written + 1n, attributes: 0x22 }
    await hcs.createLayer(info, 'base', '')
    writeFileSync(join(info.homeDir, 'base\\Files\\gone'), 'gone')
    const chain = [{ guid: await hcs.nameToGuid('base'), path: `${info.homeDir}\\base` }]
    await hcs.createLayer(info, 'x', 'base')
    const lines = await logged(async () => {
      await using into = await hcs.importLayerBegin?.(info, 'x', chain)
      await into?.next('\\Files\\ü.txt', file)
      await into?.write(Buffer.concat([Buffer.from([1, ...Array(7).fill(0), 5]), Buffer.alloc(11)]))
      await into?.write(Buffer.from('hello'))
      await into?.next('\\Files\\gone', undefined)
      await into?.end()
    })
    equal(lines.slice(1), [
      `ImportLayerNext \\Files\\ü.txt ${file.creation} ${file.lastAccess} ${written} ${file.change} 22`,
      'ImportLayerWrite 20 0100',
      'ImportLayerWrite 5 686f',
      'ImportLayerNext \\Files\\gone tombstone',
      'ImportLayerEnd ',
    ])
    equal(readFileSync(join(info.homeDir, 'x\\Files\\ü.txt'), 'utf8'), 'hello')
    const found: unknown[] = []
    await using source = await hcs.exportLayerBegin?.(info, 'x', chain)
    for (let next = await source?.next(); next; next = await source?.next()) {
      let bytes = ''
      for (let part = await source?.read(); part?.length; part = await source?.read()) {
        bytes += Buffer.from(part).toString('latin1')
      }
      const { name, size, deleted } = next
      found.push([name, size, deleted, next.info.attributes, String(next.info.creation)])
      found.push(bytes.slice(20))
    }
    const none = '0'
    equal(found, [
      ['\\Files\\ü.txt', 5, false, 0x22, String(file.creation)],
      'hello',
      ['\\Files\\gone', 0, true, 0, none],
      '',
    ])
  })

  test('strings of the service come over', async () => {
    equal(JSON.parse(await hcs.getBaseImages()), { Images: null })
    process.env.FAKE_HCS_IMAGE = 'C:\\ä\\nano'
    const { Images } = JSON.parse(await hcs.getBaseImages()) as { Images: { Path: string }[] }
    delete process.env.FAKE_HCS_IMAGE
    equal(
      Images.map(({ Path }) => Path),
      ['C:\\ä\\nano'],
    )
  })

  test('a failing HRESULT is an error with its code', async () => {
    const info = { flavour: 1, homeDir: home() } as const
    for (const [hresult, status] of [
      ['80070005', 5],
      ['C0370105', 0xc0370105],
      ['8000FFFF', 0x8000ffff],
    ] as const) {
      const error = await failing('CreateLayer', hresult, () => hcs.createLayer(info, 'x', ''))
      if (!(error instanceof HcsError)) throw new Error(String(error))
      equal([error.status, error.hresult], [status, Number.parseInt(hresult, 16)])
    }
    const missing = await hcs.deactivateLayer(info, 'x').catch((error: unknown) => error)
    equal((missing as HcsError).status, 2)
  })

  test('layers are prepared one at a time, and only in their turn', async () => {
    const info = { flavour: 1, homeDir: home() } as const
    const names = ['a', 'b', 'c', 'd']
    for (const name of names) {
      await hcs.createLayer(info, name, '')
      const early = await hcs.prepareLayer(info, name, []).catch((error: unknown) => error)
      equal((early as HcsError).status, 0xc0370105)
      await hcs.activateLayer(info, name)
    }
    const lines = await logged(() =>
      Promise.all(names.map((name) => hcs.prepareLayer(info, name, []))),
    )
    equal(lines.length, names.length)
  })
}

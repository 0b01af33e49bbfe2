/** Runs on Windows (or wine): the driver on the real binding, and a vmcompute.dll of our own. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CacheID, collect, LayerError, newCacheID } from '@varve/core'
import { windows } from '@varve/driver-windows'
import { HcsError, openWindows } from '@varve/sys'
import { collectCases, tarOf } from '@varve/testkit'

const [, , dll = '', log = '', out = ''] = process.argv
const own = openWindows({ vmcompute: dll, backup: dll })
// Wine has no virtual disks: their volumes are not extended by hand.
const calls = { ...own, virtDisk: { ...own.virtDisk, attach: async () => undefined } }
const { hcs, fs } = calls
const { test, run } = collectCases()

const koffi = createRequire(import.meta.url)('koffi') as {
  load(path: string): {
    func(name: string, result: string, args: string[]): (...args: unknown[]) => number
  }
}
const kernel32 = koffi.load('kernel32.dll')
const openBackups = koffi.load(dll).func('OpenBackups', 'long', [])
const handleCount = kernel32.func('GetProcessHandleCount', 'int', ['intptr_t', 'void *'])
const setVariable = koffi
  .load('kernel32.dll')
  .func('SetEnvironmentVariableW', 'int', ['str16', 'str16'])

function handles(): number {
  const count = Buffer.alloc(4)
  handleCount(-1, count)
  return count.readUInt32LE()
}

/** What was called since the last time. */
function logged(): string[] {
  if (!existsSync(log)) return []
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean)
  rmSync(log)
  return lines
}

async function failing<T>(call: string, hresult: string, work: () => Promise<T>): Promise<unknown> {
  setVariable('FAKE_HCS_FAIL', call)
  setVariable('FAKE_HCS_HRESULT', hresult)
  try {
    await work()
    return undefined
  } catch (error) {
    return error
  } finally {
    setVariable('FAKE_HCS_FAIL', null)
  }
}

function equal(found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`found ${a} instead of ${b}`)
}

const home = () => mkdtempSync(join(tmpdir(), 'home-'))
const open = (root: string) => windows({ root, ports: calls })
const BASE = tarOf([
  { name: 'Files/' },
  { name: 'Files/a.txt', data: 'a' },
  { name: 'Files/d/' },
  { name: 'Files/d/b.txt', data: 'bb'.repeat(100_000) },
])

async function layer(
  driver: Awaited<ReturnType<typeof open>>,
  tar: Uint8Array,
  parent?: CacheID,
): Promise<CacheID> {
  const id = newCacheID()
  await driver.create(id, parent === undefined ? {} : { parent })
  await (await driver.applyDiff(id, parent, [tar]))[Symbol.asyncDispose]()
  return id
}

async function payload(
  driver: Awaited<ReturnType<typeof open>>,
  id: CacheID,
  name: string,
  size: number,
): Promise<string> {
  await using files = await driver.files?.(id)
  const bytes = await collect(files?.open(new TextEncoder().encode(name), size) ?? [], 1 << 24)
  return new TextDecoder().decode(bytes)
}

test('every function gets its arguments as C has them', async () => {
  const root = home()
  const info = { flavour: 1, homeDir: root } as const
  logged()
  await hcs.createLayer(info, 'base', '')
  const guid = await hcs.nameToGuid('base')
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
  await hcs.processBaseImage('C:\\Grün 😀')
  await hcs.processUtilityImage('u')
  await hcs.grantVmAccess('vm', 'file')
  const id = Buffer.from(guid).readUInt32LE().toString(16).padStart(8, '0')
  const one = `1 ${id}:0:${root}\\base`
  equal(logged(), [
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
    'ProcessBaseImage C:\\Grün 😀',
    'ProcessUtilityImage u',
    'GrantVmAccess vm file',
  ])
})

test('strings of the service come over, and layers file by file', async () => {
  equal((JSON.parse(await hcs.getBaseImages()) as { Images: unknown[] }).Images.length, 1)
  const info = { flavour: 1, homeDir: '' } as const
  const found: unknown[] = []
  {
    await using source = await hcs.exportLayerBegin?.(info, 'x', [])
    for (let next = await source?.next(); next; next = await source?.next()) {
      const text = Buffer.from((await source?.read()) ?? []).toString()
      found.push([next.name, next.size, next.deleted, String(next.info.change), text])
      equal((await source?.read())?.length, 0)
    }
  }
  equal(found, [
    ['\\Files\\ü.txt', 5_000_000_000, false, '131659872000000003', 'hello'],
    ['\\Files\\gone', 0, true, '131659872000000003', 'hello'],
  ])
  logged()
  const into = await hcs.importLayerBegin?.(info, 'x', [])
  const times = { creation: 1n, lastAccess: 2n, lastWrite: 3n, change: 2n ** 62n }
  await into?.next('\\Files\\f', { ...times, attributes: 0x80000020 })
  await into?.write(Uint8Array.of(0xab, 0, 0xcd))
  await into?.next('\\Files\\g', undefined)
  await into?.end()
  await into?.[Symbol.asyncDispose]()
  equal(logged(), [
    'ImportLayerBegin x 0 NULL',
    `ImportLayerNext \\Files\\f 1 2 3 ${2n ** 62n} 80000020`,
    'ImportLayerWrite 3 abcd',
    'ImportLayerNext \\Files\\g tombstone',
    'ImportLayerEnd ',
  ])
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
  const inactive = await hcs.deactivateLayer(info, 'x').catch((error: unknown) => error)
  equal((inactive as HcsError).status, 2)
})

test('layers are prepared one at a time', async () => {
  const info = { flavour: 1, homeDir: home() } as const
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) {
    await hcs.createLayer(info, name, '')
    await hcs.activateLayer(info, name)
  }
  logged()
  await Promise.all(names.map((name) => hcs.prepareLayer(info, name, [])))
  equal(
    logged().filter((line) => line.includes('TWO AT ONCE')),
    [],
  )
})

test('files have what they were given, and names lead nowhere else', async () => {
  const root = await fs.openRoot(home())
  await root.mkdir('d')
  const times = { creation: 131659872000000001n, lastAccess: 131659872000000002n }
  const info = { ...times, lastWrite: 131659872000000003n, change: 0n, attributes: 0x22 }
  {
    await using file = await root.create('d\\Grün.txt')
    await file.write(Buffer.from('content'))
    await file.setInfo(info)
  }
  await root.link('d\\second', 'd\\Grün.txt')
  const stat = await root.stat('D\\grÜN.txt')
  equal(
    [stat?.size, stat?.links, stat?.info.attributes, String(stat?.info.lastWrite)],
    [7, 2, 0x22, String(info.lastWrite)],
  )
  equal([...(await root.list('d'))].sort(), ['Grün.txt', 'second'])
  const codes = await Promise.all(
    [root.mkdir('d'), root.open('none', 'read'), root.remove('d'), root.create('d\\Grün.txt')].map(
      (call) => call.then(String, (error: NodeJS.ErrnoException) => error.code),
    ),
  )
  equal(codes, ['EEXIST', 'ENOENT', 'ENOTEMPTY', 'EEXIST'])
  await root.removeAll('d')
  await root.removeAll('d')
  equal(await root.stat('d'), undefined)
  await root[Symbol.asyncDispose]()
})

test('the driver makes layers, gives them back, and tells what they change', async () => {
  await using driver = await open(home())
  const base = await layer(driver, BASE)
  equal(await payload(driver, base, 'Files/a.txt', 1), 'a')
  equal((await payload(driver, base, 'Files/d/b.txt', 200_000)).length, 200_000)
  const upper = tarOf([
    { name: 'Files/' },
    { name: 'Files/.wh.a.txt' },
    { name: 'Files/d/' },
    { name: 'Files/d/c.txt', data: 'ccc' },
    { name: 'Files/d/link.txt', type: 'hardlink', link: 'Files/d/c.txt' },
  ])
  const top = await layer(driver, upper, base)
  equal(await payload(driver, top, 'Files/d/link.txt', 3), 'ccc')
  const gone = await payload(driver, top, 'Files/a.txt', 1).catch((error: unknown) => error)
  equal(LayerError.is(gone, 'ERR_CORRUPT_LAYER'), true)
  const changes: string[] = []
  for await (const { kind, path } of driver.changes(top, base)) changes.push(`${kind} ${path}`)
  equal(changes, ['modify /Files/d', 'add /Files/d/c.txt', 'add /Files/d/link.txt'])
  const whole = await collect(driver.diff(base) as unknown as AsyncIterable<Uint8Array>, 1 << 24)
  const copy = await layer(driver, whole)
  equal((await payload(driver, copy, 'Files/d/b.txt', 200_000)).length, 200_000)
  const rw = newCacheID()
  await driver.createReadWrite(rw, { parent: top })
  {
    await using mount = await driver.mount(rw)
    equal(mount.path.endsWith(rw), true)
    const busy = await hcs.destroyLayer({ flavour: 1, homeDir: '' }, mount.path).catch(String)
    equal(String(busy).includes('(0x20)'), true)
  }
  for (const id of [rw, copy, top, base]) await driver.remove(id)
  let left = 0
  for await (const _ of driver.list()) left++
  equal(left, 0)
})

test('whatever call fails, no handle and no backup stays open', async () => {
  await using driver = await open(home())
  const base = await layer(driver, BASE)
  const before = handles()
  for (const call of [
    'NameToGuid',
    'ImportLayer',
    'BackupWrite',
    'ProcessBaseImage',
    'ExportLayer',
    'BackupRead',
    'ActivateLayer',
    'PrepareLayer',
    'GetLayerMountPath',
  ]) {
    for (let i = 0; i < 3; i++) {
      const error = await failing(call, '80070005', async () => {
        const first = await layer(driver, BASE)
        const top = await layer(driver, BASE, base)
        await collect(driver.diff(base) as unknown as AsyncIterable<Uint8Array>, 1 << 24)
        await collect(driver.diff(top, base) as unknown as AsyncIterable<Uint8Array>, 1 << 24)
        await using _ = await driver.mount(first)
      })
      if (!LayerError.is(error)) throw new Error(`${call}: ${String(error)}`)
    }
  }
  equal(openBackups(), 0)
  // The threads of koffi and libuv have some of their own; 27 failures would leave 27.
  const more = handles() - before
  if (more > 12) throw new Error(`${more} handles more are open`)
})

const results = await run()
writeFileSync(
  out,
  JSON.stringify(
    results.map(({ name, error }) => [
      name,
      error === undefined ? 'passed' : error instanceof Error ? error.stack : String(error),
    ]),
  ),
)
process.exit(0)

/** Cases about the driver on the real binding, beside those of the suites. */
import { join } from 'node:path'
import { type CacheID, collect, LayerError, newCacheID } from '@varve/core'
import { type WindowsDriver, type WindowsOptions, windows } from '@varve/driver-windows'
import { type TestFunction, tarOf } from '@varve/testkit'
import { equal, home, logged } from './probes.ts'
import { calls } from './windows-bed.ts'

export const BASE: Uint8Array = tarOf([
  { name: 'Files/' },
  { name: 'Files/a.txt', data: 'a' },
  { name: 'Files/d/' },
  { name: 'Files/d/b.txt', data: 'bb'.repeat(100_000) },
])
const UPPER = tarOf([
  { name: 'Files/' },
  { name: 'Files/.wh.a.txt' },
  { name: 'Files/d/' },
  { name: 'Files/d/c.txt', data: 'ccc' },
  { name: 'Files/d/link.txt', type: 'hardlink', link: 'Files/d/c.txt' },
])

export async function open(options: Partial<WindowsOptions> = {}): Promise<WindowsDriver> {
  return await windows({ root: home(), ports: calls, ...options })
}

/** A finished layer. */
export async function layer(
  driver: WindowsDriver,
  tar: Uint8Array,
  parent?: CacheID,
): Promise<CacheID> {
  const id = newCacheID()
  await driver.create(id, parent === undefined ? {} : { parent })
  await (await driver.applyDiff(id, parent, [tar]))[Symbol.asyncDispose]()
  return id
}

/** The layer's tar. */
export async function diff(
  driver: WindowsDriver,
  id: CacheID,
  parent?: CacheID,
): Promise<Uint8Array> {
  return await collect(driver.diff(id, parent) as unknown as AsyncIterable<Uint8Array>, 1 << 24)
}

async function payload(
  driver: WindowsDriver,
  id: CacheID,
  name: string,
  size: number,
): Promise<string> {
  await using files = await driver.files(id)
  const bytes = await collect(files.open(new TextEncoder().encode(name), size), 1 << 24)
  return new TextDecoder().decode(bytes)
}

async function wholeLife(driver: WindowsDriver): Promise<void> {
  const base = await layer(driver, BASE)
  equal(await payload(driver, base, 'Files/a.txt', 1), 'a')
  equal((await payload(driver, base, 'Files/d/b.txt', 200_000)).length, 200_000)
  const top = await layer(driver, UPPER, base)
  equal(await payload(driver, top, 'Files/d/link.txt', 3), 'ccc')
  const gone = await payload(driver, top, 'Files/a.txt', 1).catch((error: unknown) => error)
  equal(LayerError.is(gone, 'ERR_CORRUPT_LAYER'), true)
  const changes: string[] = []
  for await (const { kind, path } of driver.changes(top, base)) changes.push(`${kind} ${path}`)
  equal(changes, [
    'delete /Files/a.txt',
    'modify /Files/d',
    'add /Files/d/c.txt',
    'add /Files/d/link.txt',
  ])
  const again = await layer(driver, await diff(driver, top, base), base)
  equal(await payload(driver, again, 'Files/d/link.txt', 3), 'ccc')
  const rw = newCacheID()
  await driver.createReadWrite(rw, { parent: top, storageOptions: { size: '200G' } })
  {
    await using mount = await driver.mount(rw)
    equal(mount.path.endsWith(join(rw, 'volume')), true)
    const dir = mount.path.slice(0, -'\\volume'.length)
    const busy = await calls.hcs.destroyLayer({ flavour: 1, homeDir: '' }, dir).catch(String)
    equal(String(busy).includes('(0x20)'), true)
  }
  for (const id of [rw, again, top, base]) await driver.remove(id)
  for await (const id of driver.list()) throw new Error(`${id} is left`)
}

export function lifeCases(test: TestFunction): void {
  test('a layer lives from its tar to its removal, as today', async () => {
    await using driver = await open()
    const lines = await logged(() => wholeLife(driver))
    equal(lines.filter((line) => line.startsWith('ImportLayer ')).length, 2)
  })

  test('and as in Docker 1.11, file after file', async () => {
    await using driver = await open({ compat: 'v1.11' })
    const lines = await logged(() => wholeLife(driver))
    equal(lines.filter((line) => line.startsWith('ImportLayerEnd')).length, 2)
    equal(lines.filter((line) => /^(Import|Export)Layer /.test(line)).length, 0)
  })

  test('security, times, streams and links of a layer are in its tar again', async () => {
    await using driver = await open()
    const pax = {
      'LIBARCHIVE.creationtime': '1300000000.0000007',
      'MSWINDOWS.fileattr': '34',
      'MSWINDOWS.rawsd': Buffer.from('01000080'.padEnd(40, '0'), 'hex').toString('base64'),
      atime: '1300000001',
      ctime: '1300000002.5',
      mtime: '1300000003.25',
    }
    const first = tarOf([
      { name: 'Files', type: 'dir' },
      { name: 'Files/f', data: 'f', pax },
      { name: 'Files/f:s', data: 'stream' },
      { name: 'Files/s', type: 'symlink', link: 'f' },
    ])
    const upper = await layer(driver, first, await layer(driver, BASE))
    const base = await layer(driver, first)
    const told = new TextDecoder('latin1').decode(await diff(driver, base))
    for (const [key, value] of Object.entries(pax)) {
      if (!told.includes(`${key}=${value}\n`)) throw new Error(`no ${key}=${value} in ${told}`)
    }
    equal(told.includes('Files/f:s') && told.includes('stream'), true)
    equal(await payload(driver, upper, 'Files/f:s', 6), 'stream')
    const copy = await layer(driver, await diff(driver, base))
    equal(Buffer.compare(await diff(driver, copy), await diff(driver, base)), 0)
  })
}

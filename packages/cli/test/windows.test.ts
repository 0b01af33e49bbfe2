import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ociTar, tarOf } from './archives.ts'
import { jsonLines, scratch, varveHere } from './varve.ts'

async function run(root: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await varveHere(args, { root })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

const BASE = tarOf([
  { name: 'Files/' },
  { name: 'Files/Windows/' },
  { name: 'Files/Windows/win.ini', content: '; for 16-bit app support' },
  { name: 'UtilityVM/' },
  { name: 'UtilityVM/Files/' },
  { name: 'UtilityVM/Files/kernel', content: 'kernel' },
])
const UPPER = tarOf([
  { name: 'Files/' },
  { name: 'Files/Windows/' },
  { name: 'Files/Windows/.wh.win.ini' },
  { name: 'Files/app.exe', content: 'MZ' },
  { name: 'Files/app.exe:Zone.Identifier', content: '[ZoneTransfer]' },
])

test('a Windows image is kept in its own layout, looked at, checked and given back', async () => {
  const dir = await scratch()
  const [root, archive] = [join(dir, 'store'), join(dir, 'image.tar')]
  const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' }
  await writeFile(archive, ociTar({ layers: [BASE, UPPER], platform }))
  await run(root, '--driver', 'windows', 'load', '-q', archive)
  expect(existsSync(join(root, 'windowsfilter'))).toBe(true)

  const [image] = jsonLines(await run(root, 'inspect', '--json', 'test:1'))
  expect(image.platform).toEqual({ os: 'windows', architecture: 'amd64' })
  expect(image.config['os.version']).toBe('10.0.20348.1')
  expect(image.layers).toHaveLength(2)
  expect(await run(root, 'check', '--full')).not.toMatch(/damaged|altered/)

  const back = join(dir, 'back.tar')
  await run(root, 'save', '-q', '-o', back, 'test:1')
  const again = join(dir, 'again')
  await run(again, '--driver', 'windows', 'load', '-q', back)
  const ids = async (store: string) =>
    jsonLines(await run(store, 'layer', 'ls', '--json')).map(({ diffID }) => diffID as string)
  expect(await ids(again)).toEqual(await ids(root))
  expect((await readFile(back)).length).toBeGreaterThan(0)
})

test('an image of Linux is refused by the Windows driver, which says why', async () => {
  const dir = await scratch()
  const archive = join(dir, 'image.tar')
  await writeFile(archive, ociTar({ layers: [tarOf([{ name: 'etc/' }])] }))
  const { code, stderr } = await varveHere(['--driver', 'windows', 'load', '-q', archive], {
    root: join(dir, 'store'),
  })
  expect(code).toBe(1)
  expect(stderr).toContain('it is not in Files, Hives or UtilityVM')
  expect(stderr).toContain('was it made for Linux?')
})

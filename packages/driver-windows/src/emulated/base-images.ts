import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { HcsError, HRESULT } from '@varve/sys'
import { isThere } from '@varve/trees'

/** What `GetBaseImages` says of these folders. */
export function describeBaseImages(paths: readonly string[]): string {
  const Images = paths.map((path) => ({
    Name: basename(path),
    Version: '10.0.14393',
    Path: path,
    Size: 0,
    CreatedTime: '2016-09-12T00:00:00Z',
  }))
  return JSON.stringify({ Images })
}

/** Makes what scratch layers begin as copies of. */
export async function processBaseImage(path: string): Promise<void> {
  if (!(await isThere(join(path, 'Files')))) {
    throw new HcsError('ProcessBaseImage', HRESULT.fileNotFound, path)
  }
  for (const name of ['layout', 'blank-base.vhdx', 'blank.vhdx']) {
    await writeFile(join(path, name), '')
  }
}

/** The real one changes the boot configuration in place, too. */
export async function processUtilityImage(path: string): Promise<void> {
  const bcd = join(path, 'Files/EFI/Microsoft/Boot/BCD')
  if (await isThere(bcd)) await writeFile(bcd, `processed ${await readFile(bcd, 'latin1')}`)
  await writeFile(join(path, 'SystemTemplateBase.vhdx'), '')
  await writeFile(join(path, 'SystemTemplate.vhdx'), '')
}

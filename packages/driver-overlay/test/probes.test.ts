import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { openSys } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { canMount, methods, place } from './place.ts'
import { command } from './runtime.ts'

async function refusal(open: Promise<unknown>): Promise<LayerError> {
  const error = await open.then(
    () => undefined,
    (e: unknown) => e,
  )
  expect(LayerError.is(error, 'ERR_NOT_SUPPORTED')).toBe(true)
  return error as LayerError
}

test('without FFI it does not open, and says what to use instead', async () => {
  const error = await refusal(overlay({ root: '/nowhere', sys: openSys({ ffi: false }) }))
  expect(error.message).toContain('Cannot use the overlay driver')
  expect(error.hint).toContain('vfs')
  expect(fs.existsSync('/nowhere')).toBe(false)
})

describe.skipIf(!canMount)('probes (need root)', () => {
  test('an ordinary user is told what to do', async () => {
    await using dir = place()
    fs.chownSync(dir.path, 65534, 65534)
    const [file, ...args] = command('refused', join(dir.path, 'home'))
    const said = execFileSync(file, args, { uid: 65534, gid: 65534, encoding: 'utf8' })
    expect(JSON.parse(said)).toEqual({
      code: 'ERR_NOT_SUPPORTED',
      hint: 'Run it by varve unshare, in a user namespace; or as root; or use the vfs driver',
    })
  })

  test('a home on an overlay is refused', async () => {
    await using dir = place()
    const at = (name: string) => join(dir.path, name)
    for (const name of ['lower', 'upper', 'work', 'merged']) fs.mkdirSync(at(name))
    const options = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', at('merged')])
    const error = await refusal(overlay({ root: join(at('merged'), 'home') }))
    expect(error.message).toContain('overlay on an overlay')
    expect(error.hint).toContain('volume or a tmpfs')
  })

  test('a file system without extended attributes is refused', async () => {
    await using dir = place()
    const at = join(dir.path, 'at')
    fs.mkdirSync(at)
    execFileSync('mount', ['-t', 'ramfs', 'ramfs', at])
    const error = await refusal(overlay({ root: join(at, 'home') }))
    expect(error.message).toMatch(/extended attributes|mounts no overlay/)
  })

  test('what was found out is written down, and found out anew after a start or a change', async () => {
    await using dir = place()
    const file = join(dir.path, 'probes.json')
    const open = async () => {
      await using _driver = await overlay({ root: dir.path })
      return JSON.parse(fs.readFileSync(file, 'utf8'))
    }
    const first = await open()
    expect(first.features.nativeDiff).toBe(true)
    const written = fs.statSync(file).ino
    await open()
    expect(fs.statSync(file).ino).toBe(written)
    for (const text of [JSON.stringify({ ...first, key: 'of another start' }), '{', '[]', 'null']) {
      fs.writeFileSync(file, text)
      expect(await open()).toEqual(first)
    }
  })

  test('status tells what Docker tells, and how mounts are made', async () => {
    await using dir = place()
    for (const mountMethod of methods) {
      await using driver = await overlay({ root: join(dir.path, mountMethod), mountMethod })
      expect(await driver.status()).toMatchObject({
        'Supports d_type': 'true',
        'Using metacopy': 'false',
        'Native Overlay Diff': 'true',
        userxattr: 'false',
        'Mount Method': mountMethod,
      })
    }
  })

  for (const kind of ['ext4', 'xfs'] as const) {
    test(`layers live on ${kind}`, async () => {
      await using dir = place()
      const [image, at] = [join(dir.path, 'image'), join(dir.path, 'at')]
      execFileSync('truncate', ['-s', '400M', image])
      execFileSync(`mkfs.${kind}`, kind === 'ext4' ? ['-qF', image] : ['-q', image])
      fs.mkdirSync(at)
      execFileSync('mount', ['-o', 'loop', image, at])
      await using driver = await overlay({ root: join(at, 'home') })
      const [base, top] = [newCacheID(), newCacheID()]
      await driver.create(base)
      fs.writeFileSync(join(at, 'home', base, 'diff', 'f'), 'f')
      await driver.createReadWrite(top, { parent: base })
      {
        await using mount = await driver.mount(top)
        fs.rmSync(join(mount.path, 'f'))
      }
      const changes = await Array.fromAsync(driver.changes(top, base))
      expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual(['delete /f'])
      await driver.sync([base, top])
    })
  }
})

test.runIf(process.env.CI)('probes are tested where they must be', () => {
  expect(canMount).toBe(true)
})

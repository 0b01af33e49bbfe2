import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canFuse, canMount, LET_GO, mountsIn, place } from './place.ts'
import { answer, command, kill } from './runtime.ts'

/** Debian's `nobody`, an ordinary user. */
const USER = 65_534

test.runIf(process.env.CI)('user namespaces are tested where they must be', () => {
  expect(canMount).toBe(true)
})

/** Becomes an ordinary user, and then root of a user namespace that has only his own id. */
const SINGLE = `
  ${LET_GO}
  user=$1; shift
  exec setpriv --reuid="$user" --regid="$user" --clear-groups \\
    unshare --user --mount --map-root-user "$@"
`
/**
 * The same, but with many ids; and the store is on a file system whose mount is nosuid and nodev,
 * which nobody in the namespace may change.
 */
const MANY = `
  ${LET_GO}
  user=$1 at=$2; shift 2
  printf '%s:100000:2200000\\n' "$user" > "$at/ids"
  touch /etc/subuid /etc/subgid
  mount --bind "$at/ids" /etc/subuid; mount --bind "$at/ids" /etc/subgid
  mount -t tmpfs -o "nosuid,nodev,mode=700,uid=$user,gid=$user" tmpfs "$at/home"
  exec setpriv --reuid="$user" --regid="$user" --clear-groups \\
    unshare --user --mount --map-root-user --map-auto "$@"
`

/** The first again, where everybody may use FUSE. */
const FUSE = `
  ${LET_GO}
  user=$1 at=$2; shift 2
  mount -t tmpfs tmpfs "$at/home"
  mknod -m 666 "$at/home/fuse" c 10 229; mount --bind "$at/home/fuse" /dev/fuse
  mount -t tmpfs -o "mode=700,uid=$user,gid=$user" tmpfs "$at/home"
  exec setpriv --reuid="$user" --regid="$user" --clear-groups \\
    unshare --user --mount --map-root-user "$@"
`

const ways = {
  'with his own id alone': {
    script: SINGLE,
    places: false,
    // What else tars can hold is the same for everybody.
    words: ['any', '^driver: (?!hostile tar)'],
  },
  'with ids of subuid and subgid, on a mount with locked flags': {
    script: MANY,
    places: true,
    words: ['any', '^store:|owners are kept|base 256|read-only mount'],
  },
  'by fuse-overlayfs': {
    script: FUSE,
    places: true,
    words: ['fuse', 'tar: whiteout|tar: opaque|read-only mount|hard link|commit makes'],
  },
}
type Way = keyof typeof ways

/** Runs a child in a place of its own; gives what it prints. */
async function output(way: Way, child: string, ...words: string[]): Promise<string> {
  const { script, places } = ways[way]
  await using dir = place()
  const home = join(dir.path, 'home')
  fs.mkdirSync(home)
  for (const path of [dir.path, home]) fs.chownSync(path, USER, USER)
  const drop = ['--mount', 'sh', '-ec', script, 'sh', String(USER), ...(places ? [dir.path] : [])]
  const args = [...drop, ...command(child, home, ...words)]
  // The directory of the tests may be root's alone.
  const env = { ...process.env, TMPDIR: dir.path }
  const { stdout } = await promisify(execFile)('unshare', args, { maxBuffer: 2 ** 26, env })
  return stdout.trim()
}

describe.skipIf(!canMount)('an ordinary user in a user namespace (needs root)', async () => {
  if (!canMount) return
  const names = (Object.keys(ways) as Way[]).filter((name) => canFuse || ways[name].script !== FUSE)
  const all = await Promise.all(names.map((name) => output(name, 'suite', ...ways[name].words)))
  describe.each(names.map((name, i) => ({ name, text: all[i] ?? '' })))('$name', ({ text }) => {
    for (const line of text.split('\n')) {
      const { name, error } = JSON.parse(line)
      test(name, () => {
        expect(error).toBeUndefined()
      })
    }
  })

  test('who has one id alone gets all files, and the layers stay right', async () => {
    const said = await output('with his own id alone', 'owners', '1000')
    expect(JSON.parse(said)).toEqual(['delete /gone'])
  })

  test('who has many gets those that are his, and is told of those that are not', async () => {
    const way = 'with ids of subuid and subgid, on a mount with locked flags'
    expect(JSON.parse(await output(way, 'owners', '1000'))).toEqual(['delete /gone'])
    expect(JSON.parse(await output(way, 'owners', '3000000'))).toEqual({
      code: 'ERR_PERMISSION',
      message: 'Cannot apply "d/f": its owner is not among the ids of this user namespace',
      hint: expect.stringContaining('--single-id'),
    })
  })
})

describe.skipIf(!canMount)('several namespaces (need root)', () => {
  test('a layer that is mounted in one is not mounted in another', async () => {
    await using dir = place()
    await using driver = await overlay({ root: dir.path })
    const [base, top] = [newCacheID(), newCacheID()]
    await driver.create(base)
    await driver.createReadWrite(top, { parent: base })
    const enter = ['--mount', 'sh', '-c', `${LET_GO}; exec "$@"`, 'sh']
    const child = spawn('unshare', [...enter, ...command('work', dir.path, 'mount', top)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await answer(child)
    expect(mountsIn(dir.path)).toEqual([])
    await expect(driver.mount(top)).rejects.toSatisfy(
      (e) => LayerError.is(e, 'ERR_MOUNT_IN_USE') && e.message.includes('another mount namespace'),
    )
    await kill(child)
    await using mount = await driver.mount(top)
    expect(fs.readdirSync(mount.path)).toEqual(['mount'])
  })

  test('root reads the marks that an ordinary user’s layers have, and goes on with them', async () => {
    await using dir = place()
    await using _first = await overlay({ root: dir.path })
    expect(fs.readFileSync(join(dir.path, 'marks'), 'utf8')).toBe('trusted\n')
    fs.rmSync(join(dir.path, 'probes.json'))
    fs.writeFileSync(join(dir.path, 'marks'), 'user\n')
    await using driver = await overlay({ root: dir.path })
    expect((await driver.status()).userxattr).toBe('true')
    const [base, top] = [newCacheID(), newCacheID()]
    await driver.create(base)
    await using _one = await driver.applyDiff(base, undefined, [tarOf([{ name: 'd/hidden' }])])
    await driver.create(top, { parent: base })
    await using _two = await driver.applyDiff(top, base, [tarOf([{ name: 'd/.wh..wh..opq' }])])
    await using mount = await driver.mount(top, { readOnly: true })
    expect(fs.readdirSync(join(mount.path, 'd'))).toEqual([])
  })

  test('layers with root’s marks are not opened where those cannot be seen', async () => {
    await using dir = place()
    fs.writeFileSync(join(dir.path, 'marks'), 'trusted\n')
    fs.chownSync(dir.path, USER, USER)
    fs.chownSync(join(dir.path, 'marks'), USER, USER)
    const drop = ['--mount', 'sh', '-ec', SINGLE, 'sh', String(USER)]
    const { stdout } = await promisify(execFile)('unshare', [
      ...drop,
      ...command('refused', dir.path),
    ])
    expect(JSON.parse(stdout)).toEqual({
      code: 'ERR_NOT_SUPPORTED',
      hint: 'Open it as root, or choose a root of your own',
    })
  })
})

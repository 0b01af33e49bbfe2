import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { LET_GO } from '../../driver-overlay/test/place.ts'
import { countIds, idMapOf } from '../src/rootless/id-map.ts'
import {
  bin,
  example,
  isRoot,
  jsonLines,
  node,
  type RunOptions,
  scratch,
  suiteScratch,
  until,
  varve,
} from './varve.ts'

const canDrop = process.platform === 'linux' && isRoot
/** Debian's `nobody`, an ordinary user. */
const USER = 65_534

test.runIf(process.env.CI)('user namespaces are tested where they must be', () => {
  expect(canDrop).toBe(true)
})

describe('which ids a user gets', () => {
  const user = { uid: 1000, gid: 100, name: 'ann' }

  test.skipIf(process.platform !== 'linux')('are those that subuid and subgid give', async () => {
    const etc = await scratch()
    await writeFile(join(etc, 'subuid'), 'bob:5:5\nann:100000:65536\n1000:300000:10\nann:x:1\n\n')
    await writeFile(join(etc, 'subgid'), 'ann:200000:65536\n')
    const map = await idMapOf({ ...user, etc })
    expect(map).toEqual({
      uids: [
        { inside: 0, outside: 1000, count: 1 },
        { inside: 1, outside: 100_000, count: 65_536 },
        { inside: 65_537, outside: 300_000, count: 10 },
      ],
      gids: [
        { inside: 0, outside: 100, count: 1 },
        { inside: 1, outside: 200_000, count: 65_536 },
      ],
      why: undefined,
    })
    expect(countIds(map.uids)).toBe(65_547)
  })

  test('are his own alone if there is nothing for him in one of them', async () => {
    const etc = await scratch()
    const own = {
      uids: [{ inside: 0, outside: 1000, count: 1 }],
      gids: [{ inside: 0, outside: 100, count: 1 }],
    }
    expect(await idMapOf({ ...user, etc })).toEqual({
      ...own,
      why: `${join(etc, 'subuid')} has none for ann`,
    })
    await writeFile(join(etc, 'subuid'), 'ann:100000:65536')
    await writeFile(join(etc, 'subgid'), 'annette:100000:65536')
    expect((await idMapOf({ ...user, etc })).why).toBe(`${join(etc, 'subgid')} has none for ann`)
    expect(await idMapOf({ ...user, etc: undefined })).toMatchObject(own)
  })
})

describe.skipIf(!canDrop)('varve unshare (needs root, to become an ordinary user)', () => {
  let home: string
  beforeAll(async () => {
    home = await suiteScratch()
    await chown(home, USER, USER)
    await writeFile(join(home, 'sub'), `nobody:100000:1000\n${USER}:200000:50\n`)
    await writeFile(join(home, 'none'), '')
  })
  /** As an ordinary user, to whom `/etc/subuid` and `/etc/subgid` give what a file says. */
  const asUser = (args: readonly string[], ids: 'sub' | 'none', options: RunOptions = {}) =>
    varve(args, {
      ...options,
      prefix: ['unshare', '--mount', 'sh', '-ec', DROP, 'sh', join(home, ids), String(USER)],
      env: { HOME: home, ...options.env },
    })
  const inside = [node, '--conditions=@varve/source', bin]

  test('runs a command as root of a namespace, and passes its exit code on', async () => {
    const script = 'id -u; cat /proc/self/uid_map /proc/self/gid_map; echo "$VARVE_ROOT"; exit 7'
    const { code, stdout } = await asUser(['unshare', '--', 'sh', '-c', script], 'none')
    const lines = stdout.split('\n').map((line) => line.trim().replace(/ +/g, ' '))
    const root = join(home, '.local/share/varve')
    expect(lines).toEqual(['0', `0 ${USER} 1`, `0 ${USER} 1`, root, ''])
    expect(code).toBe(7)
  })

  test('maps the ranges of subuid and subgid, unless one id is wanted', async () => {
    const maps = ['--', 'cat', '/proc/self/uid_map', '/proc/self/gid_map']
    const all = await asUser(['unshare', ...maps], 'sub')
    const rows = [`0 ${USER} 1`, '1 100000 1000', '1001 200000 50']
    const text = (out: string) => out.replace(/ +/g, ' ').replace(/^ /gm, '')
    expect({ ...all, stdout: text(all.stdout) }).toMatchObject({
      code: 0,
      stdout: `${[...rows, ...rows].join('\n')}\n`,
      stderr: '',
    })
    const one = await asUser(['unshare', '--single-id', ...maps], 'sub')
    expect(text(one.stdout)).toBe(`0 ${USER} 1\n0 ${USER} 1\n`)
  })

  test('without a command it is the shell, with all that the user types', async () => {
    const env = { SHELL: '/bin/sh' }
    const { code, stdout } = await asUser(['unshare'], 'none', { env, stdin: 'id -u; exit 3\n' })
    expect({ code, stdout }).toEqual({ code: 3, stdout: '0\n' })
  })

  test('signals reach the command; one that it dies of is 128 + its number', async () => {
    const file = join(home, 'ready')
    const script = 'trap "exit 5" TERM; echo > "$0"; while :; do sleep 0.02; done'
    const { code, stderr } = await asUser(['unshare', '--', 'sh', '-c', script, file], 'none', {
      during: async (child) => {
        await until(async () => existsSync(file))
        child.kill('SIGTERM')
      },
    })
    expect({ code, stderr }).toEqual({ code: 5, stderr: '' })
    const killed = await asUser(['unshare', '--', 'sh', '-c', 'kill -KILL $$'], 'none')
    expect(killed.code).toBe(137)
  })

  test('refuses root, and says so if the system lets nobody in', async () => {
    const asRoot = await varve(['unshare', '--', 'true'])
    expect(asRoot).toMatchObject({ code: 1, stderr: expect.stringContaining('you are root') })
    const folder = join(home, 'stub')
    await mkdir(folder)
    await writeFile(join(folder, 'unshare'), '#!/bin/sh\necho "not permitted" >&2\nexit 1\n')
    await chmod(join(folder, 'unshare'), 0o755)
    const prefix = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']
    const run = (path: string) =>
      varve(['unshare', '--', 'true'], { prefix, env: { HOME: home, PATH: path } })
    const refused = await run([folder, process.env.PATH].join(delimiter))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /^not permitted\nvarve: cannot enter a user namespace: .*\nhint: /,
    )
  })

  test('an ordinary user is told of it, and there uses overlay on the same store', async () => {
    const options = ['--driver', 'overlay2']
    const made = { root: join(home, 'vfs') }
    await asUser(['load', example], 'none', made)
    const [before] = jsonLines((await asUser(['info', '--json'], 'sub', made)).stdout)
    expect(before.mounting).toEqual({
      overlay: 'by varve unshare, with 1051 users and 1051 groups',
      fuseOverlayfs: expect.any(Boolean),
    })
    const outside = await asUser([...options, 'load', example], 'none')
    expect(outside.code).toBe(1)
    expect(outside.stderr).toMatch(
      /^varve: cannot use the overlay driver: .*\nhint: .*varve unshare/,
    )
    const load = ['unshare', '--', ...inside, ...options, 'load', example]
    expect(await asUser(load, 'none')).toMatchObject({ code: 0 })
    const script = '"$@" info --json && "$@" check --full --json'
    const look = ['unshare', '--', 'sh', '-c', script, 'sh', ...inside]
    const { code, stdout, stderr } = await asUser(look, 'none')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const [info, ...problems] = jsonLines(stdout)
    expect(problems).toEqual([])
    expect(info).toMatchObject({
      root: join(home, '.local/share/varve'),
      driver: 'overlay2',
      mounting: { overlay: 'as you are root here' },
      capabilities: { keeps: { owner: false, devices: false } },
      status: { userxattr: 'true' },
    })
  })
})

describe.skipIf(!canDrop || !existsSync('/dev/fuse'))('what is left (needs root and FUSE)', () => {
  test('processes of fuse-overlayfs end with the namespace, unless somebody else is in it', async () => {
    const home = await scratch()
    await chown(home, USER, USER)
    const script = 'cd "$HOME" && mkdir l m && fuse-overlayfs -o lowerdir=l m 2>/dev/null && ls m'
    const { code, stderr } = await varve(['unshare', '--', 'sh', '-c', script], {
      prefix: ['unshare', '--mount', 'sh', '-ec', FUSE, 'sh', String(USER)],
      env: { HOME: home },
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const args = ['-u', String(USER), '-o', 'args=']
    await until(
      async () => !spawnSync('ps', args, { encoding: 'utf8' }).stdout.includes('lowerdir=l'),
    )
  })
})

/** Where everybody may use FUSE, on a file system of one's own. */
const FUSE = `
  ${LET_GO}
  mount -t tmpfs tmpfs "$HOME"
  mknod -m 666 "$HOME/fuse" c 10 229; mount --bind "$HOME/fuse" /dev/fuse
  mount -t tmpfs -o "mode=700,uid=$1,gid=$1" tmpfs "$HOME"
  user=$1; shift
  exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
`

/** In a mount namespace of its own, so that the machine's own files stay as they are. */
const DROP = `
  ${LET_GO}
  touch /etc/subuid /etc/subgid
  mount --bind "$1" /etc/subuid; mount --bind "$1" /etc/subgid
  user=$2; shift 2
  exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
`

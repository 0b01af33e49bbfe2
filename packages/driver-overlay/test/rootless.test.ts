import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { canMount, place } from './place.ts'
import { command } from './runtime.ts'

/** Debian's `nobody`, an ordinary user. */
const USER = 65_534

test.runIf(process.env.CI)('user namespaces are tested where they must be', () => {
  expect(canMount).toBe(true)
})

/** Becomes an ordinary user, and then root of a user namespace that has only his own id. */
const SINGLE = `
  user=$1; shift
  exec setpriv --reuid="$user" --regid="$user" --clear-groups \\
    unshare --user --mount --map-root-user "$@"
`
/**
 * The same, but with many ids; and the store is on a file system whose mount is nosuid and nodev,
 * which nobody in the namespace may change.
 */
const MANY = `
  user=$1 at=$2; shift 2
  printf '%s:100000:2200000\\n' "$user" > "$at/ids"
  touch /etc/subuid /etc/subgid
  mount --bind "$at/ids" /etc/subuid; mount --bind "$at/ids" /etc/subgid
  mount -t tmpfs -o "nosuid,nodev,mode=700,uid=$user,gid=$user" tmpfs "$at/home"
  exec setpriv --reuid="$user" --regid="$user" --clear-groups \\
    unshare --user --mount --map-root-user --map-auto "$@"
`

const ways = {
  'with his own id alone': { script: SINGLE, places: false, words: ['driver:'] },
  'with ids of subuid and subgid, on a mount with locked flags': {
    script: MANY,
    places: true,
    words: ['store:', 'kept', 'base 256', 'mount'],
  },
}

/** Runs the child in a place of its own; gives the lines that it prints. */
async function results(way: keyof typeof ways): Promise<readonly string[]> {
  const { script, places, words } = ways[way]
  await using dir = place()
  const home = join(dir.path, 'home')
  fs.mkdirSync(home)
  for (const path of [dir.path, home]) fs.chownSync(path, USER, USER)
  const drop = ['--mount', 'sh', '-ec', script, 'sh', String(USER), ...(places ? [dir.path] : [])]
  const args = [...drop, ...command('suite', home, 'any', ...words)]
  const { stdout } = await promisify(execFile)('unshare', args, { maxBuffer: 2 ** 26 })
  return stdout.trim().split('\n')
}

describe.skipIf(!canMount)('an ordinary user in a user namespace (needs root)', async () => {
  if (!canMount) return
  const names = Object.keys(ways) as (keyof typeof ways)[]
  const all = await Promise.all(names.map(results))
  describe.each(names.map((name, i) => ({ name, lines: all[i] ?? [] })))('$name', ({ lines }) => {
    for (const line of lines) {
      const { name, error } = JSON.parse(line)
      test(name, () => {
        expect(error).toBeUndefined()
      })
    }
  })
})

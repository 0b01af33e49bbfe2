import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import {
  escapeXattr,
  MOUNT_METHODS,
  MountPoints,
  marksOf,
  mounterOf,
  probe,
  type Stack,
} from '@varve/overlayfs'
import { type NativeCalls, openSys } from '@varve/sys'
import { describe, expect, test } from 'vitest'

const canMount = process.platform === 'linux' && process.getuid?.() === 0

const canFuse =
  fs.existsSync('/dev/fuse') &&
  ['/usr/bin', '/bin', '/usr/local/bin'].some((at) => fs.existsSync(join(at, 'fuse-overlayfs')))

function calls(): NativeCalls {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

/** In memory: `/tmp` may be an overlay, which carries none. */
function bed() {
  const root = fs.mkdtempSync(join(fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'overlayfs-'))
  const at = (name: string) => {
    fs.mkdirSync(join(root, name), { recursive: true })
    return join(root, name)
  }
  return {
    root,
    at,
    [Symbol.dispose]() {
      execFileSync('sh', ['-c', 'umount -l "$1"/* 2>/dev/null; rm -rf "$1"', 'sh', root])
    },
  }
}

test('what overlay would take for its own is escaped, whichever prefix the mount uses', () => {
  expect(escapeXattr('trusted.overlay.opaque')).toBe('trusted.overlay.overlay.opaque')
  expect(escapeXattr('user.overlay.redirect')).toBe('user.overlay.overlay.redirect')
  expect(escapeXattr('user.mime_type')).toBe('user.mime_type')
  for (const userxattr of [true, false]) {
    const { prefix, isMark } = marksOf(userxattr)
    expect(isMark(`${prefix}opaque`)).toBe(true)
    expect(isMark(escapeXattr(`${prefix}opaque`))).toBe(false)
  }
})

describe.skipIf(!canMount)('mounts (need root)', () => {
  for (const method of MOUNT_METHODS) {
    test.skipIf(method === 'fuse' && !canFuse)(
      `${method}: the nearest layer wins, and changes go to the upper directory`,
      () => {
        using dir = bed()
        const mounter = mounterOf(calls(), method, [], dir.at('scratch'))
        const lowers = [dir.at('near'), dir.at('far')]
        fs.writeFileSync(join(dir.at('far'), 'both'), 'far')
        fs.writeFileSync(join(dir.at('far'), 'deep'), 'far')
        fs.writeFileSync(join(dir.at('near'), 'both'), 'near')
        {
          using view = mounter.view({ lowers })
          expect(fs.readFileSync(join(view.path, 'both'), 'utf8')).toBe('near')
          expect(() => fs.writeFileSync(join(view.path, 'both'), '')).toThrow(/EROFS/)
        }
        const stack: Stack = { lowers, upper: { diff: dir.at('diff'), work: dir.at('work') } }
        mounter.mount(stack, dir.at('merged'), { readOnly: false })
        fs.writeFileSync(join(dir.at('merged'), 'deep'), 'changed')
        expect(fs.readFileSync(join(dir.at('diff'), 'deep'), 'utf8')).toBe('changed')
        expect(fs.readFileSync(join(dir.at('far'), 'deep'), 'utf8')).toBe('far')
      },
    )
  }

  test('a mount stays until its last user left', async () => {
    using dir = bed()
    const id = newCacheID()
    dir.at(id)
    const points = new MountPoints(
      { root: dir.root, layer: (name) => join(dir.root, name) },
      openSys(),
      calls(),
    )
    using _lock = await points.lock(id)
    const mountOn = (target: string) => points.bind(dir.at('files'), target, true)
    const path = points.use(id, 'view', mountOn)
    expect(points.use(id, 'view', mountOn)).toBe(path)
    points.leave(id, 'view')
    expect(points.isMounted(id, 'view')).toBe(true)
    points.leave(id, 'view')
    expect([points.isMounted(id, 'view'), fs.existsSync(path)]).toEqual([false, false])
  })

  test('a kernel whose defaults are others is told not to use them', () => {
    using dir = bed()
    const defaults = { index: undefined, metacopy: true, redirectDir: true }
    const found = probe(calls(), dir.root, MOUNT_METHODS, defaults)
    expect(found.settings).toEqual([
      ['redirect_dir', 'off'],
      ['metacopy', 'off'],
    ])
    expect([found.nativeDiff, found.index]).toEqual([true, false])
  })
})

test.runIf(process.env.CI)('mounts are tested where they must be', () => {
  expect([canMount, canFuse]).toEqual([true, true])
})

import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { sha256, tarOf } from './archives.ts'
import {
  contents,
  example,
  expectClean,
  isRoot,
  jsonLines,
  ok,
  scratch,
  suiteScratch,
  until,
  varve,
  varveHere,
} from './varve.ts'

const driversHere = isRoot ? ['vfs', 'overlay2'] : ['vfs']

/** Runs within this process; anything but success fails the test. */
async function run(root: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await varveHere(args, { root })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

async function fails(root: string, ...args: string[]): Promise<{ code: string; hint: string }> {
  const result = await varveHere([...args, '--json'], { root })
  expect(result.code).toBe(1)
  return jsonLines(result.stderr)[0].error
}

for (const driver of driversHere) {
  describe(`read-write layers on ${driver}`, () => {
    let root = ''
    beforeAll(async () => {
      root = join(await suiteScratch(), 'store')
      await run(root, '--driver', driver, 'load', '-q', example)
    })

    test('from create to commit: what was changed is in the image, and in nothing else', async () => {
      expect(await run(root, 'create', '-n', 'work', 'world-clock')).toBe('work')
      const path = await run(root, 'mount', 'work')
      await mkdir(join(path, 'srv/site'))
      await writeFile(join(path, 'srv/site/index.html'), '<h1>hello</h1>')
      await rm(join(path, 'etc/localtime'))
      expect(await run(root, 'mount')).toBe(`work  ${path}`)
      expect(await run(root, 'umount', 'work')).toBe('work')
      const changes = await run(root, 'diff', 'work')
      expect(changes.split('\n')).toEqual([
        'C /etc',
        'D /etc/localtime',
        'C /srv',
        'A /srv/site',
        'A /srv/site/index.html',
      ])
      expect((await varveHere(['diff', '--exit-code', 'work'], { root })).code).toBe(1)
      const [image] = jsonLines(
        await run(root, 'commit', 'work', '-t', 'site:1', '-m', 'a page', '--json'),
      )
      const [base] = JSON.parse(await run(root, 'inspect', 'world-clock'))
      const [made] = JSON.parse(await run(root, 'inspect', 'site:1'))
      const ids = ({ layers }: { layers: { diffID: string }[] }) => layers.map((l) => l.diffID)
      expect([image.diffIDs, ids(made).slice(0, -1)]).toEqual([ids(made), ids(base)])
      expect(made.config.config).toEqual(base.config.config)
      expect(made.config.history.at(-1).comment).toBe('a page')
      const again = await run(root, 'create', '-n', 'again', 'site:1')
      const view = await run(root, 'mount', '--read-only', again)
      expect(await readFile(join(view, 'srv/site/index.html'), 'utf8')).toBe('<h1>hello</h1>')
      expect(existsSync(join(view, 'etc/localtime'))).toBe(false)
      await run(root, 'umount', again)
      await run(root, 'rm', 'work', 'again')
      await run(root, 'rmi', 'site:1')
      await expectClean(root)
    })

    test('a copy goes its own way, and a reset takes only its own changes', async () => {
      await run(root, 'create', '-n', 'one', 'world-clock')
      await run(root, 'mount', 'one', '--', 'sh', '-c', 'echo first >"$VARVE_MOUNT/note"')
      expect(await run(root, 'fork', 'one', 'two')).toBe('two')
      await run(root, 'mount', 'two', '--', 'sh', '-c', 'echo second >"$VARVE_MOUNT/more"')
      expect(await run(root, 'diff', 'two')).toBe('A /more\nA /note')
      expect(await run(root, 'reset', 'two')).toBe('two')
      expect(await run(root, 'diff', 'two')).toBe('')
      expect(await run(root, 'diff', 'one')).toBe('A /note')
      const rows = jsonLines(await run(root, 'ps', '--size', '--json'))
      expect(rows.map(({ name, image, size }) => [name, image, size > 0])).toEqual([
        ['one', 'world-clock:latest', true],
        ['two', 'world-clock:latest', false],
      ])
      await run(root, 'rm', 'one', 'two')
    })

    test('mounts are counted, and what is mounted is neither removed nor reset', async () => {
      await run(root, 'create', '-n', 'busy', 'world-clock')
      await run(root, 'mount', 'busy')
      await run(root, 'mount', 'busy')
      for (const verb of ['rm', 'reset']) {
        expect((await fails(root, verb, 'busy')).code).toBe('ERR_MOUNT_IN_USE')
      }
      expect(await run(root, 'umount', 'busy')).toBe('busy (mounted 1 times still)')
      expect(await run(root, 'umount', '--all')).toBe('busy')
      expect((await fails(root, 'umount', 'busy')).code).toBe('ERR_MOUNT_NOT_FOUND')
      await run(root, 'mount', 'busy')
      await run(root, 'rm', '--force', 'busy')
      expect(await run(root, 'ps', '-q')).toBe('')
    })

    test('a command runs with it mounted, and its exit code is the answer', async () => {
      await run(root, 'create', '-n', 'job', 'world-clock')
      const args = ['mount', 'job', '--', 'sh', '-c', 'echo x >"$VARVE_MOUNT/x"; exit 7']
      expect((await varve(args, { root })).code).toBe(7)
      expect(await run(root, 'mount')).toBe('')
      const shown = await ok(['mount', 'world-clock', '--', 'sh', '-c', 'ls "$VARVE_MOUNT"'], {
        root,
      })
      expect(shown).toContain('etc\n')
      const missing = await varve(['mount', 'job', '--', 'no-such-command'], { root })
      expect([missing.code, missing.stderr]).toEqual([
        1,
        expect.stringContaining('cannot run no-such-command'),
      ])
      await run(root, 'rm', 'job')
    })

    test('interrupted, the command is ended and nothing stays mounted', async () => {
      await run(root, 'create', '-n', 'long', 'world-clock')
      const started = join(await scratch(), 'started')
      const args = ['mount', 'long', '--', 'sh', '-c', `touch ${started}; exec sleep 600`]
      const { code } = await varve(args, {
        root,
        during: async (child) => {
          await until(async () => existsSync(started))
          // Deno tells of its own kill() as the end, whatever the process makes of the signal.
          process.kill(child.pid as number, 'SIGTERM')
        },
      })
      expect(code).toBe(143)
      await run(root, 'rm', 'long')
      await expectClean(root)
    })

    test('diff -o writes a layer tar that registers on the same parent', async () => {
      const file = join(await scratch(), 'changes.tar')
      await run(root, 'create', '-n', 'tarred', 'world-clock')
      await run(root, 'mount', 'tarred', '--', 'sh', '-c', 'echo x >"$VARVE_MOUNT/x"')
      await run(root, 'diff', 'tarred', '-o', file)
      const [{ parent }] = jsonLines(await run(root, 'ps', '--json'))
      const id = await run(root, 'layer', 'register', '--parent', parent, file)
      expect(id).toBe(sha256(`${parent} ${sha256(await readFile(file))}`))
      await run(root, 'layer', 'rm', id)
      await run(root, 'rm', 'tarred')
    })
  })
}

describe('a base of nothing, or of layers without an image', () => {
  test('scratch makes a store, and a first layer', async () => {
    const root = join(await scratch(), 'store')
    const made = await run(root, 'create', 'scratch')
    expect(made).toMatch(/^scratch-[0-9a-f]{6}$/)
    await run(root, 'mount', made, '--', 'sh', '-c', 'echo 1 >"$VARVE_MOUNT/one"')
    const [image] = jsonLines(await run(root, 'commit', made, '-t', 'first', '--json'))
    expect(image.diffIDs).toHaveLength(1)
    expect((await fails(root, 'create', 'nothing')).code).toBe('ERR_IMAGE_NOT_FOUND')
  })

  test('an image of layers that no image had is whole', async () => {
    const folder = await scratch()
    const root = join(folder, 'store')
    await writeFile(join(folder, 'layer.tar'), tarOf([{ name: 'a', content: 'a' }]))
    const chain = await run(root, 'layer', 'register', join(folder, 'layer.tar'))
    await run(root, 'create', '-n', 'on', chain.slice(7, 19))
    await run(root, 'mount', 'on', '--', 'sh', '-c', 'echo b >"$VARVE_MOUNT/b"')
    await run(root, 'commit', 'on', '-t', 'both')
    await run(root, 'save', 'both', '-o', join(folder, 'both.tar'))
    const other = join(folder, 'other')
    await run(other, 'load', '-q', join(folder, 'both.tar'))
    const [{ layers, config }] = JSON.parse(await run(other, 'inspect', 'both'))
    expect([layers.length, layers[0].diffID, config.history.length]).toEqual([2, chain, 2])
  })
})

describe('names', () => {
  test('one that is taken, unknown, or no name changes nothing', async () => {
    const root = join(await scratch(), 'store')
    await run(root, 'load', '-q', example)
    await run(root, 'create', '-n', 'one', 'world-clock')
    const before = await contents(root)
    const codes = await Promise.all([
      fails(root, 'create', '-n', 'one', 'world-clock'),
      fails(root, 'create', '-n', '../evil', 'world-clock'),
      fails(root, 'fork', 'one', 'one'),
      fails(root, 'diff', 'two'),
      fails(root, 'commit', 'two'),
      fails(root, 'mount', 'two'),
      fails(root, 'rm', 'two'),
      fails(root, 'create', '--storage-opt', 'colour=red', 'world-clock'),
    ])
    expect(codes.map(({ code }) => code)).toEqual([
      'ERR_MOUNT_NAME_CONFLICT',
      'ERR_INVALID_ARGUMENT',
      'ERR_MOUNT_NAME_CONFLICT',
      'ERR_MOUNT_NOT_FOUND',
      'ERR_MOUNT_NOT_FOUND',
      'ERR_MOUNT_NOT_FOUND',
      'ERR_IMAGE_NOT_FOUND',
      'ERR_NOT_SUPPORTED',
    ])
    expect(await contents(root)).toEqual(before)
    expect(await run(root, 'ps', '-q')).toBe('one')
    await expectClean(root)
  })

  test('one that is an image and a read-write layer too is not removed by guess', async () => {
    const root = join(await scratch(), 'store')
    await run(root, 'load', '-q', example)
    await run(root, 'create', '-n', 'world-clock', 'world-clock')
    expect((await fails(root, 'rm', 'world-clock')).code).toBe('ERR_AMBIGUOUS_ID')
    await run(root, 'rmi', 'world-clock')
    await run(root, 'rm', 'world-clock')
    expect(await contents(root)).toEqual({ layers: [], images: [] })
  })
})

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ociTar, tarOf } from './archives.ts'
import {
  bin,
  contents,
  example,
  expectClean,
  fileCount,
  node,
  ok,
  scratch,
  until,
  varve,
} from './varve.ts'

/** Runs a shell line with `varve` in it. */
function shell(line: string, root: string) {
  const command = `varve() { '${node}' --conditions=@varve/source '${bin}' "$@"; }; ${line}`
  const env = { ...process.env, VARVE_ROOT: root }
  return spawnSync('bash', ['-c', command], { env, encoding: 'utf8' })
}

const big = tarOf([{ name: 'big', content: randomBytes(2 ** 22) }])

describe('a reader that goes away', () => {
  test('ends a tar without a word', async () => {
    const root = join(await scratch(), 'store')
    await ok(['layer', 'register'], { root, stdin: big })
    const id = (await ok(['layer', 'ls', '-q'], { root })).trim()
    const run = shell(`varve layer tar ${id} | head -c 1 | wc -c; echo "$PIPESTATUS"`, root)
    expect(run.stderr).toBe('')
    expect(run.stdout.split('\n').map((line) => line.trim())).toEqual(['1', '0', ''])
  })

  test('ends a saved image without a word', async () => {
    const root = join(await scratch(), 'store')
    await ok(['load', '-q', '-t', 'a:1', example], { root })
    const run = shell('varve save a:1 | head -c 1 >/dev/null; echo "$PIPESTATUS"', root)
    expect([run.stderr, run.stdout]).toEqual(['', '0\n'])
  })
})

describe('a terminal', () => {
  /** Runs it with a terminal for stdout, as util-linux's script gives one. */
  const onTerminal = (args: string, root: string) => {
    const command = `stty cols 100; '${node}' --conditions=@varve/source '${bin}' ${args}`
    return spawnSync('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, VARVE_ROOT: root, TERM: 'xterm', NO_COLOR: '1' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  test.each(['layer tar abc', 'save abc', 'tarsplit asm --meta x --payload y'])(
    '%s does not write a tar to it',
    async (args) => {
      const run = onTerminal(args, await scratch())
      expect(run.stdout).toContain('refusing to write a tar to a terminal')
      expect(run.status).toBe(2)
    },
  )

  test('load shows each layer as it is done', async () => {
    const root = join(await scratch(), 'store')
    const run = onTerminal(`load -t a:1 '${example}'`, root)
    expect(run.status).toBe(0)
    expect(run.stdout).toMatch(/✔|√/)
    expect(run.stdout).toContain('loaded: a:1')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what must not be there
    expect(run.stdout).not.toMatch(/\x1b\[[0-9;]*m/)
  })
})

describe('Ctrl-C', () => {
  test('in the middle of a load: exit code 130, the store as it was, nothing left', async () => {
    const folder = await scratch()
    const root = join(folder, 'store')
    await ok(['load', '-q', '--driver', 'vfs', example], { root })
    const before = await contents(root)
    const driver = await readdir(join(root, 'vfs/dir'))
    const files = await fileCount(root)
    const image = ociTar({ layers: [big], compress: (tar) => tar })
    const { code, stderr } = await varve(['load', '-'], {
      root,
      during: async (child) => {
        // Half of the image comes, then nothing for ever.
        child.stdin?.write(image.subarray(0, image.length / 2))
        await until(async () => (await fileCount(root)) > files)
        child.kill('SIGINT')
      },
    })
    expect(code).toBe(130)
    expect(stderr).toBe('varve: interrupted\n')
    expect(await contents(root)).toEqual(before)
    expect(await readdir(join(root, 'vfs/dir'))).toEqual(driver)
    await expectClean(root)
  })

  // Again, if the machine was too busy to tell it twice within a moment.
  test('in the middle of a layer, also if npx passes it on once more: likewise', {
    retry: 2,
  }, async () => {
    const root = join(await scratch(), 'store')
    const { code, stderr } = await varve(['layer', 'register', '--driver', 'vfs', '-'], {
      root,
      during: async (child) => {
        child.stdin?.write(big.subarray(0, big.length / 2))
        await until(async () => (await fileCount(join(root, 'vfs/dir'))) > 0)
        child.kill('SIGINT')
        await setTimeout(1)
        child.kill('SIGINT')
      },
    })
    expect(code).toBe(130)
    expect(stderr.split('\n').slice(-2)).toEqual(['varve: interrupted', ''])
    expect(await readdir(join(root, 'vfs/dir'))).toEqual([])
    await expectClean(root)
  })

  test('SIGKILL in the middle of a layer leaves nothing after the next command', async () => {
    const root = join(await scratch(), 'store')
    const { code } = await varve(['layer', 'register', '--driver', 'vfs', '-'], {
      root,
      during: async (child) => {
        child.stdin?.write(big.subarray(0, big.length / 2))
        await until(async () => (await fileCount(join(root, 'vfs/dir'))) > 0)
        child.kill('SIGKILL')
      },
    })
    expect(code).toBe(null)
    await expectClean(root)
    expect(await readdir(join(root, 'vfs/dir'))).toEqual([])
  })

  test('a file that was being written is not there', async () => {
    const folder = await scratch()
    const root = join(folder, 'store')
    const id = (await ok(['layer', 'register'], { root, stdin: big })).trim()
    const full = await varve(['layer', 'tar', id, '-o', '/dev/full/x'], { root })
    expect(full.code).toBe(1)
    const output = join(folder, 'missing/out.tar')
    expect((await varve(['layer', 'tar', id, '-o', output], { root })).code).toBe(1)
    expect(existsSync(output)).toBe(false)
  })
})

import { describe, expect, test } from 'vitest'
import { jsonLines, ok, scratch, varve, varveHere } from './varve.ts'

const VERBS = [
  'load',
  'save',
  'images',
  'tag',
  'rm',
  'layers',
  'inspect',
  'history',
  'tree',
  'prune',
  'df',
  'check',
  'info',
]

test('--version is the version of the package', async () => {
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } })
  expect(await ok(['--version'])).toBe(`${manifest.version}\n`)
})

test('--help names every verb', async () => {
  const help = await ok(['--help'])
  for (const verb of [...VERBS, 'layer', 'tarsplit', 'complete']) {
    expect(help).toMatch(new RegExp(`^  ${verb}\\b`, 'm'))
  }
})

test.each(VERBS)('%s has help with its options and those of all', async (verb) => {
  const { stdout: help } = await varveHere([verb, '--help'], { root: '/nowhere' })
  expect(help).toContain(`Usage: varve ${verb}`)
  expect(help).toContain('--root')
})

describe('a wrong command line', () => {
  test.each([
    [['lod'], "unknown command 'lod'", 'did you mean load?'],
    [['images', '--qiet'], "unknown option '--qiet'", 'did you mean --quiet?'],
    [['load'], "missing required argument 'file'", undefined],
    [['tag', 'only-one'], "missing required argument 'name'", undefined],
    [['images', 'surplus'], 'too many arguments', undefined],
    [['load', '--platform', 'amd64', 'x'], 'is invalid', 'write it as os/arch'],
    [['images', '--format', '{nonsense}'], 'unknown field "nonsense"', 'fields: tags, id'],
    [['tarsplit', 'asm'], '--meta', undefined],
    [['save', '--format', 'oci-layout', 'x'], 'is a directory', '-o'],
    [['layer', 'nonsense'], "unknown command 'nonsense'", undefined],
  ])('%j: exit code 2, one line and a hint', async (args, message, hint) => {
    const root = await scratch()
    const { code, stdout, stderr } = await varveHere(args, { root })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    const lines = stderr.trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('varve: ')
    expect(lines[0]).toContain(message)
    expect(lines[1]).toMatch(/^hint: ./)
    if (hint) expect(lines[1]).toContain(hint)
  })

  test('with --json the error is an object', async () => {
    const { code, stderr } = await varve(['images', '--json', '--nonsense'])
    expect(code).toBe(2)
    expect(jsonLines(stderr)[0].error.code).toBe('ERR_INVALID_ARGUMENT')
  })

  test('no command at all prints help and is wrong usage', async () => {
    const { code, stderr } = await varve([])
    expect(code).toBe(2)
    expect(stderr).toContain('Usage: varve')
  })
})

describe('the store', () => {
  test('a root without a store is an error that says what to do', async () => {
    const root = await scratch()
    const { code, stderr } = await varve(['images'], { root })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^varve: cannot open .*: there is no store yet\nhint: load an image/)
  })

  test('an unknown driver is an error that names the known ones', async () => {
    const root = await scratch()
    const { code, stderr } = await varve(['info', '--driver', 'floppy', '--json'], { root })
    expect(code).toBe(1)
    expect(jsonLines(stderr)[0].error.code).toMatch(/ERR_NOT_SUPPORTED|ERR_NOT_A_STORE/)
    const load = await varve(['layer', 'register', '--driver', 'floppy'], { root, stdin: '' })
    expect(load.stderr).toContain('hint: drivers of this varve: vfs')
  })

  test('--debug prints where it happened, and only that does', async () => {
    const root = await scratch()
    expect((await varve(['images'], { root })).stderr).not.toContain('    at ')
    expect((await varve(['images', '--debug'], { root })).stderr).toContain('    at ')
  })
})

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish', 'powershell'])('there is a script for %s', async (shell) => {
    expect(await ok(['complete', shell])).toContain('varve')
  })
  test('verbs and options are completed', async () => {
    expect(await ok(['complete', '--', 'lo'])).toMatch(/^load\b/m)
    expect(await ok(['complete', '--', 'save', '--comp'])).toMatch(/^--compress\b/m)
  })
})

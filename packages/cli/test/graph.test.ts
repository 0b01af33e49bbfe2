import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  app,
  base,
  old,
  other,
  sound,
  step,
  writeOldRoot,
} from '../../graph/test/support/old-root.ts'
import { expectClean, jsonLines, scratch, varveHere } from './varve.ts'

const short = (image: { readonly id: string }) => image.id.slice(0, 12)

interface Bed {
  /** Docker's old data root. */
  readonly dir: string
  readonly root: string
  run(...args: readonly string[]): ReturnType<typeof varveHere>
  ok(...args: readonly string[]): Promise<string>
}

async function newBed(): Promise<Bed> {
  const folder = await scratch()
  const [dir, root] = [join(folder, 'docker'), join(folder, 'store')]
  writeOldRoot(dir)
  const run: Bed['run'] = (...args) => varveHere(args, { root })
  return {
    dir,
    root,
    run,
    async ok(...args) {
      const { code, stdout, stderr } = await run(...args)
      if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}\n${stderr}`)
      return stdout
    },
  }
}

describe('looking', () => {
  test('ls lists names and heads, with -a all, and changes nothing', async () => {
    const { dir, ok } = await newBed()
    const listed = async () => (await readdir(dir, { recursive: true })).sort()
    const before = await listed()
    const table = await ok('graph', 'ls', dir)
    expect(table).toMatch(/^IMAGE +ID +PARENT +SIZE +CREATED\n/)
    expect(table).toContain(`app:latest, app@sha256:`)
    expect((await ok('graph', 'ls', '-q', dir)).trim().split('\n').sort()).toEqual(
      [base, app, other, old].map((image) => image.id),
    )
    const all = jsonLines(await ok('graph', 'ls', '-a', dir, '--json'))
    expect(all.map((row) => row.id).sort()).toEqual(sound.map((image) => image.id).sort())
    expect(all.find((row) => row.id === step.id)).toMatchObject({ parent: base.id, tags: [] })
    expect(await ok('graph', 'ls', dir, '--format', '{createdBy}|{size}')).toContain(
      'ADD a300|3000',
    )
    expect(await listed()).toEqual(before)
  })

  test('inspect tells all, and gives the very json', async () => {
    const { dir, ok } = await newBed()
    const [image] = JSON.parse(await ok('graph', 'inspect', dir, 'a1'))
    expect(image).toMatchObject({
      id: base.id,
      tags: ['localhost:5000/base:1'],
      children: [step.id, other.id],
      document: { docker_version: '1.9.0' },
    })
    expect(image).not.toHaveProperty('digest')
    expect(await ok('graph', 'inspect', dir, 'app', '--raw')).toBe(
      await readFile(join(dir, 'graph', app.id, 'json'), 'utf8'),
    )
    expect(await ok('graph', 'inspect', dir, 'app', '--format', '{id}')).toBe(`${app.id}\n`)
  })

  test('history goes down to the base', async () => {
    const { dir, ok } = await newBed()
    expect((await ok('graph', 'history', '-q', dir, 'app')).trim().split('\n')).toEqual(
      [app, step, base].map((image) => image.id),
    )
    expect(await ok('graph', 'history', dir, 'app')).toContain('/bin/sh -c #(nop) ADD a300')
  })
})

describe('migrate', () => {
  test('brings all images; a second run finds them', async () => {
    const { dir, root, ok } = await newBed()
    expect(await ok('graph', 'migrate', dir)).toMatch(
      new RegExp(`migrated: ${short(app)} as [a-f0-9]{12} app:latest\n`),
    )
    expect(jsonLines(await ok('images', '--json'))).toHaveLength(sound.length)
    const again = jsonLines(await ok('graph', 'migrate', dir, '--json'))
    expect(again.map((image) => image.existed)).toEqual(sound.map(() => true))
    expect(existsSync(join(root, 'varve/graph-diffids'))).toBe(false)
    await expectClean(root)
  })

  test('brings only what is asked for', async () => {
    const { dir, ok } = await newBed()
    const ids = await ok('graph', 'migrate', dir, 'app', '--no-intermediates', '-q')
    expect(ids).toMatch(/^(sha256:[a-f0-9]{64}\n){2}$/)
    expect(
      jsonLines(await ok('images', '--json'))
        .flatMap((image) => image.tags)
        .sort(),
    ).toEqual(['app:latest', 'localhost:5000/base:1'])
  })

  test('reports what it cannot read, exits with 1, and brings the rest', async () => {
    const { dir, root, run } = await newBed()
    writeFileSync(join(dir, 'graph', other.id, 'json'), '{')
    rmSync(join(dir, 'vfs/dir', app.id, 'app'))
    expect((await run('graph', 'ls', dir)).stderr).toContain(`image ${other.id}`)
    const { code, stderr } = await run('graph', 'migrate', dir)
    expect(code).toBe(1)
    expect(stderr).toContain(`cannot migrate ${short(other)}: `)
    expect(stderr).toContain(`cannot migrate ${short(app)}: `)
    const json = await run('graph', 'migrate', dir, '--json')
    const failed = jsonLines(json.stdout).filter((line) => line.failed)
    expect(failed.map((line) => line.id).sort()).toEqual([app.id, other.id])
    expect(jsonLines(json.stdout)).toHaveLength(sound.length)
    await expectClean(root)
  })
})

describe('save, rm, export', () => {
  test('a saved archive loads with the ids that migrate gives', async () => {
    const { dir, ok } = await newBed()
    await ok('graph', 'migrate', dir, '-q')
    const file = join(dir, 'old.tar')
    expect(await ok('graph', 'save', dir, 'app', base.id, '-o', file)).toBe('')
    const [loaded] = jsonLines(await ok('load', file, '--json'))
    expect(loaded).toMatchObject({ existed: true, tags: ['app:latest'] })
    const { bytes } = await varveHere(['graph', 'save', dir, 'app', base.id], { root: dir })
    expect(Buffer.from(bytes).equals(await readFile(file))).toBe(true)
  })

  test('rm takes names and images, and what only they needed', async () => {
    const { dir, ok, run } = await newBed()
    expect((await run('graph', 'rm', dir, base.id)).stderr).toMatch(
      /other images stand on it\nhint: /,
    )
    const removed = await ok('graph', 'rm', dir, app.id, '-f')
    expect(removed).toContain('untagged: app:latest\n')
    expect(removed).toContain(`removed: ${short(app)}\nremoved: ${short(step)}\n`)
    expect(await ok('graph', 'ls', '-aq', dir)).not.toContain(step.id)
    expect(existsSync(join(dir, 'vfs/dir', step.id))).toBe(false)
  })

  test('an image of the store goes into a new data root, and comes back the same', async () => {
    const { dir, ok } = await newBed()
    await ok('graph', 'migrate', dir, '-q')
    const [image] = jsonLines(await ok('inspect', 'app', '--json'))
    const made = join(dir, '../made')
    const id = (await ok('graph', 'export', made, 'app', '-q')).trim()
    expect(await ok('graph', 'ls', '-q', made)).toBe(`${id}\n`)
    await ok('rmi', 'app')
    await ok('graph', 'migrate', made)
    expect(jsonLines(await ok('inspect', 'app', '--json'))[0].id).toBe(image.id)
    const older = join(dir, '../older')
    expect(await ok('graph', 'export', older, 'app', '--as', '1.7')).toMatch(
      /^exported: app:latest/,
    )
    expect(existsSync(join(made, 'graph', id, 'tar-data.json.gz'))).toBe(true)
    expect(existsSync(join(older, 'graph', id, 'tar-data.json.gz'))).toBe(false)
  })
})

describe('what it refuses', () => {
  test('a directory without a graph, and the graph’s own', async () => {
    const { dir, root, run } = await newBed()
    const none = await run('graph', 'ls', join(dir, 'vfs'))
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toMatch(/there is no graph in it\nhint: give the data root/)
    expect((await run('graph', 'ls', join(dir, 'graph'))).stderr).toContain('directory above it')
    await run('graph', 'migrate', dir)
    const inStore = await run('graph', 'export', root, 'app')
    expect(inStore.stderr).toMatch(/there is no graph in it\nhint: .*or an empty directory/)
    expect(existsSync(join(root, 'graph'))).toBe(false)
  })

  test('layers of a driver that varve has not, with a way out', async () => {
    const { dir, run } = await newBed()
    rmSync(join(dir, 'vfs'), { recursive: true })
    mkdirSync(join(dir, 'aufs'))
    const { code, stderr } = await run('graph', 'migrate', dir)
    expect(code).toBe(1)
    expect(stderr).toMatch(/kept by aufs\nhint: run docker save/)
  })

  test('an image that is not there, before anything is made', async () => {
    const { dir, root, run } = await newBed()
    for (const args of [
      ['inspect', dir, 'nope'],
      ['history', dir, 'nope'],
      ['rm', dir, 'nope'],
      ['save', dir, 'nope'],
      ['export', join(dir, '../made'), 'nope'],
    ]) {
      const { code, stdout } = await run('graph', ...args)
      expect({ code, stdout }, args[0]).toEqual({ code: 1, stdout: '' })
    }
    expect([existsSync(root), existsSync(join(dir, '../made'))]).toEqual([false, false])
    expect((await run('graph')).code).toBe(2)
  })
})

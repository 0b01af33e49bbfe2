/** Graph roots as Docker wrote them, sound and not. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vfs } from '@varve/driver-vfs'
import { type Graph, type GraphVersion, openGraph } from '@varve/graph'
import { describe, expect, test } from 'vitest'
import {
  type FixtureImage,
  tarOfImage,
  writeGraphRoot,
  writeRepositories,
} from './support/graph-root.ts'
import { bytesOf, id } from './support/places.ts'

const base: FixtureImage = {
  id: id('aa1'),
  layer: [{ name: 'etc/' }, { name: 'etc/motd', data: 'hello' }, { name: 'old', data: 'old' }],
}
const top: FixtureImage = {
  id: id('aa2'),
  parent: base.id,
  layer: [{ name: 'etc/' }, { name: 'etc/motd', data: 'changed!' }, { name: '.wh.old' }],
}

interface Bed extends AsyncDisposable {
  readonly root: string
  readonly graph: Graph
}

async function openFixture(
  version: GraphVersion,
  images: readonly FixtureImage[],
  how: { readonly readOnly?: boolean; readonly before?: (root: string) => void } = {},
): Promise<Bed> {
  const root = await mkdtemp(join(tmpdir(), 'graph-fixture-'))
  writeGraphRoot(root, version, images)
  writeRepositories(root, { demo: { '1': top.id, base: base.id } })
  how.before?.(root)
  const readOnly = how.readOnly ?? false
  const driver = await vfs({ root: join(root, 'vfs'), readOnly })
  const graph = await openGraph({
    root: join(root, 'graph'),
    repositories: join(root, 'repositories-vfs'),
    driver,
    version,
    readOnly,
  })
  return {
    root,
    graph,
    async [Symbol.asyncDispose]() {
      await graph[Symbol.asyncDispose]()
      await driver[Symbol.asyncDispose]()
      await rm(root, { recursive: true })
    },
  }
}

describe.each(['1.7', '1.9'] as const)('a root of Docker %s', (version) => {
  test('is read: images, parents, tags, layers', async () => {
    await using bed = await openFixture(version, [base, top])
    const { graph } = bed
    expect(await graph.problems()).toEqual([])
    expect(await graph.tags()).toEqual(
      new Map([
        ['demo:1', top.id],
        ['demo:base', base.id],
      ]),
    )
    const image = await graph.get('aa2')
    expect(image).toMatchObject({ id: top.id, parent: base.id, size: 8 })
    expect(image.document.config).toEqual({ Env: ['PATH=/bin'], Cmd: ['/bin/sh'] })
    expect([...(await graph.heads()).keys()]).toEqual([top.id])
    const tar = await bytesOf(graph.tarLayer('aa2'))
    const exact = Buffer.from(tarOfImage(top)).toString('latin1')
    // Without tar-data the driver tells the difference, in other bytes.
    expect(tar === exact).toBe(version === '1.9')
    for (const part of ['changed!', '.wh.old']) expect(tar).toContain(part)
  })

  test('is read without a change of anything', async () => {
    await using bed = await openFixture(version, [base, top], { readOnly: true })
    const { graph, root } = bed
    await using archive = await graph.tempLayerArchive(base.id)
    expect(archive.size).toBeGreaterThan(0)
    await expect(graph.delete(top.id)).rejects.toMatchObject({ code: 'ERR_PERMISSION' })
    await expect(graph.create([])).rejects.toMatchObject({ code: 'ERR_PERMISSION' })
    await expect(graph.tag(top.id, 'x')).rejects.toMatchObject({ code: 'ERR_PERMISSION' })
    expect(readdirSync(join(root, 'graph')).sort()).toEqual(['_tmp', base.id, top.id].sort())
  })

  test('may lack a layersize, or have −1: the layer is counted, and that is kept', async () => {
    const uncounted = { ...base, without: ['layersize'] }
    await using bed = await openFixture(version, [
      uncounted,
      { ...top, files: { layersize: '-1' } },
    ])
    const { graph, root } = bed
    expect((await graph.get(base.id)).size).toBe(8)
    expect(readFileSync(join(root, 'graph', base.id, 'layersize'), 'utf8')).toBe('8')
    expect((await graph.get(top.id)).size).toBe(8)
    expect(readFileSync(join(root, 'graph', top.id, 'layersize'), 'utf8')).toBe('8')
  })

  test('with a broken document opens: the others are there, this one is told of and can go', async () => {
    await using bed = await openFixture(version, [
      base,
      top,
      { ...base, id: id('b'), rawJSON: '{"id":' },
    ])
    const { graph } = bed
    expect(await graph.problems()).toMatchObject([{ kind: 'damaged', id: id('b') }])
    await expect(graph.get('b')).rejects.toMatchObject({ code: 'ERR_CORRUPT_METADATA' })
    expect(await graph.exists('b')).toBe(false)
    expect([...(await graph.map()).keys()].sort()).toEqual([base.id, top.id])
    await graph.delete('b')
    expect(await graph.problems()).toEqual([])
  })

  test('a broken image may be registered again', async () => {
    await using bed = await openFixture(version, [{ ...base, rawJSON: '' }])
    const { graph } = bed
    await graph.register({ id: base.id, comment: 'whole' }, [tarOfImage(base)])
    expect((await graph.get(base.id)).document.comment).toBe('whole')
    expect(await graph.problems()).toEqual([])
  })

  test('images that share a beginning are told apart', async () => {
    await using bed = await openFixture(version, [base, top])
    await expect(bed.graph.get('aa')).rejects.toMatchObject({
      code: 'ERR_AMBIGUOUS_ID',
      data: { found: [base.id, top.id] },
    })
    expect((await bed.graph.get('aa1')).id).toBe(base.id)
  })

  test('a ring of parents is told of and harms nobody else', async () => {
    const ring = { ...base, id: id('c1'), parent: id('c2') }
    const closed = { ...top, id: id('c2'), parent: ring.id }
    await using bed = await openFixture(version, [base, ring, closed])
    const { graph } = bed
    const problems = await graph.problems()
    expect(problems.map((problem) => problem.kind)).toEqual(['cycle', 'cycle'])
    expect([...(await graph.heads()).keys()]).toEqual([base.id])
    expect((await graph.byParent()).get(ring.id)?.[0]?.id).toBe(closed.id)
  })

  test('a document of another image, or with a parent that is a path, is damaged', async () => {
    const copied = { ...base, id: id('d1'), json: { id: base.id } }
    const hostile = { ...base, id: id('d2'), json: { parent: '../../../etc' } }
    await using bed = await openFixture(version, [base, copied, hostile])
    const damaged = (await bed.graph.problems()).map(({ kind, id: of }) => `${kind} ${of}`)
    expect(damaged.sort()).toEqual([`damaged ${copied.id}`, `damaged ${hostile.id}`])
  })

  test('an image that the driver does not know is none, as after a change of drivers', async () => {
    await using bed = await openFixture(version, [base, top], {
      before: (root) => writeGraphRootWithoutLayer(root, id('e')),
    })
    const { graph } = bed
    expect(await graph.problems()).toMatchObject([{ kind: 'missing-layer', id: id('e') }])
    await expect(graph.get('e')).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
    await graph.register({ id: id('e') }, [tarOfImage(base)])
    expect(await graph.exists('e')).toBe(true)
  })

  test('what an interrupted Docker left in _tmp is cleared away, with its layer', async () => {
    const half = { ...base, id: id('f') }
    await using bed = await openFixture(version, [base, top, half], {
      before(root) {
        // Docker gave the directory a random name, and died before it renamed it.
        const staging = join(root, 'graph/_tmp', '7'.repeat(64))
        mkdirSync(staging)
        for (const name of ['json', 'layersize']) {
          writeFileSync(join(staging, name), readFileSync(join(root, 'graph', half.id, name)))
        }
        for (const name of readdirSync(join(root, 'graph', half.id)))
          removeFile(root, half.id, name)
      },
    })
    expect(readdirSync(join(bed.root, 'graph/_tmp'))).toEqual([])
    expect(existsSync(join(bed.root, 'vfs/dir', half.id))).toBe(false)
    expect(existsSync(join(bed.root, 'vfs/dir', base.id))).toBe(true)
  })
})

test('1.9 finds the parent in its file, then in the document, then by its digest', async () => {
  const byDigest = {
    ...top,
    json: { id: undefined, parent: undefined, parent_id: `sha256:${base.id}` },
  }
  const byFile = { ...byDigest, id: id('bb'), files: { parent: `${top.id}\n` } }
  await using bed = await openFixture('1.9', [base, byDigest, byFile])
  expect((await bed.graph.get(top.id)).parent).toBe(base.id)
  expect((await bed.graph.get('bb')).parent).toBe(top.id)
})

function writeGraphRootWithoutLayer(root: string, of: string): void {
  mkdirSync(join(root, 'graph', of))
  writeFileSync(join(root, 'graph', of, 'json'), JSON.stringify({ id: of }))
}

function removeFile(root: string, of: string, name: string): void {
  const directory = join(root, 'graph', of)
  rmSync(join(directory, name))
  if (readdirSync(directory).length === 0) rmSync(directory, { recursive: true })
}

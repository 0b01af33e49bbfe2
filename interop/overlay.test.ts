import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open } from 'varve'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Buildah, buildahIn } from './buildah.ts'
import { commitEdited, startDocker } from './docker.ts'
import { DOCKER_TAGS, edit } from './images.ts'
import { type Loop, loopExt4 } from './loop.ts'
import { run } from './run.ts'
import * as skopeo from './skopeo.ts'
import { treeOf } from './tree.ts'
import { tarDigest, type Varve, varveOn } from './varve.ts'

const { dockerArchive } = inject('images')
const dir = join(inject('workDir'), 'overlay')
const at = (name: string) => join(dir, name)
let disk: Loop
let ours: Varve

beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir)
  disk = await loopExt4(at('disk'))
  ours = varveOn(join(disk.path, 'ours'), '--driver', 'overlay2')
  await ours.load(dockerArchive)
})
afterAll(async () => {
  await disk[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})

/** The files of an image, as varve mounts them. */
async function mountedTree(root: string, image: string): Promise<string[]> {
  await using opened = await open({ root })
  const { chainID } = await opened.images.get(image)
  if (chainID === undefined) throw new Error(`${image} has no layers`)
  await using layer = await opened.store.get(chainID)
  await using mount = await layer.mount()
  return await treeOf(mount.path)
}

/** Every file and when it was changed last: what a mere look must leave as it is. */
function stateOf(root: string): Promise<string> {
  return run('find', [root, '-printf', '%P %i %m %s %T@ %C@\n'])
}

async function expectEveryTar(varve: Varve, images: readonly string[]): Promise<void> {
  const seen = new Set<string>()
  for (const image of images) {
    for (const { chainID, diffID } of await varve.layers(image)) {
      if (!seen.has(chainID)) expect(await tarDigest(varve, chainID)).toBe(diffID)
      seen.add(chainID)
    }
  }
}

describe("a data root of dockerd's overlay2", () => {
  const root = () => join(disk.path, 'theirs')
  beforeAll(async () => {
    await using docker = await startDocker(at('theirs'), root(), 'overlay2')
    await docker('load', '-i', dockerArchive)
  })
  afterAll(() => rm(root(), { recursive: true }))

  test('is listed, checked and exported: every layer has its DiffID', async () => {
    const varve = varveOn(root())
    const before = await stateOf(root())
    const [info] = await varve.json<{ kind: string; driver: string }>('info')
    expect(info).toMatchObject({ kind: 'Docker data root', driver: 'overlay2', readOnly: true })
    const images = await varve.images()
    expect(images.flatMap((image) => image.tags).sort()).toEqual([...DOCKER_TAGS].sort())
    await expectEveryTar(varve, DOCKER_TAGS)
    await varve('check', '--full')
    expect(await stateOf(root())).toBe(before)
  })

  test('is mounted, and shows what varve unpacks from the same image', async () => {
    const before = await stateOf(root())
    const theirs = await mountedTree(root(), 'debian:built')
    expect(theirs.length).toBeGreaterThan(1000)
    expect(theirs).toEqual(await mountedTree(ours.root, 'debian:built'))
    expect(await stateOf(root())).toBe(before)
  })
})

describe('a data root that varve wrote', () => {
  test('is read by dockerd, which builds on it, and then by varve', async () => {
    const loaded = await ours.images()
    {
      await using docker = await startDocker(at('daemon'), ours.root, 'overlay2')
      expect((await docker('info', '--format', '{{.Driver}}')).trim()).toBe('overlay2')
      for (const { id, tags, diffIDs } of loaded) {
        const [tag = ''] = tags
        const seen = await docker('inspect', '--format', '{{.Id}}|{{json .RootFS.Layers}}', tag)
        const [seenID, seenLayers = ''] = seen.split('|')
        expect(seenID).toBe(id)
        expect(JSON.parse(seenLayers)).toEqual(diffIDs)
      }
      const tag = 'debian:built'
      await docker('save', '-o', at('saved.tar'), tag)
      const original = await skopeo.inspect(`docker-archive:${dockerArchive}:${tag}`)
      const saved = await skopeo.inspect(`docker-archive:${at('saved.tar')}:${tag}`)
      expect(saved.diffIDs).toEqual(original.diffIDs)
      // Reads every layer and compares its digest.
      await skopeo.copy(`docker-archive:${at('saved.tar')}:${tag}`, `dir:${at('dir')}`)
      for (const name of ['dir', 'saved.tar']) await rm(at(name), { recursive: true })
      await commitEdited(docker, 'debian:built', 'debian:more', async (root) => {
        await mkdir(join(root, 'more'))
        await rm(join(root, 'opt'), { recursive: true })
        await mkdir(join(root, 'opt'))
        await writeFile(join(root, 'opt/anew'), 'anew\n')
      })
    }
    await expectEveryTar(ours, ['debian:more'])
    await ours('check')
    const tree = await mountedTree(ours.root, 'debian:more')
    const names = tree.map((line) => line.split(' ')[0])
    expect(names).toContain('./opt/anew')
    expect(names).toContain('./more')
    expect(names).not.toContain('./opt/hello')
  })

  describe('and what others unpack of its images', () => {
    let buildah: Buildah
    let files: string[]
    beforeAll(async () => {
      buildah = buildahIn(at('buildah'))
      await ours('create', '--name', 'work', 'debian:base')
      const root = (await ours('mount', 'work')).trim()
      await edit(root)
      await makeOpaque(root)
      await ours('umount', 'work')
      await ours('commit', 'work', '--tag', 'debian:mine')
      await ours('rm', 'work')
      await ours('save', 'debian:mine', '--format', 'oci-layout', '-o', at('layout'))
      files = await mountedTree(ours.root, 'debian:mine')
    })
    afterAll(() => buildah[Symbol.asyncDispose]())

    test('umoci: whiteouts, opaque directories and xattrs of a commit mean the same', async () => {
      const [tag] = (await run('umoci', ['ls', '--layout', at('layout')])).trim().split('\n')
      await run('umoci', ['unpack', '--image', `${at('layout')}:${tag}`, at('bundle')])
      expect(await treeOf(at('bundle/rootfs'))).toEqual(files)
      await rm(at('bundle'), { recursive: true })
    })

    test('buildah: the same, and what it commits is mounted as it mounts it', async () => {
      const again = 'oci:by-buildah:changed'
      const theirs = await buildah.during(
        'oci:layout',
        async (root) => {
          const tree = await treeOf(root)
          await makeOpaque(root)
          await rm(join(root, 'odd'), { recursive: true })
          return tree
        },
        again,
      )
      expect(withoutRoot(theirs)).toEqual(withoutRoot(files))
      const changed = await buildah.during(again, treeOf)
      const [loaded] = await ours.load(at('by-buildah'))
      const mounted = await mountedTree(ours.root, loaded?.id ?? '')
      expect(withoutRoot(mounted)).toEqual(withoutRoot(changed))
    })
  })
})

/** Directories that are removed and made again hide what was in them. */
async function makeOpaque(root: string): Promise<void> {
  for (const name of ['etc/apt', 'var/lib/apt']) {
    await rm(join(root, name), { recursive: true })
    await mkdir(join(root, name))
    await writeFile(join(root, name, 'anew'), `${name}\n`)
  }
}

/** Every root that buildah mounts is 0555, whatever its layers say. */
function withoutRoot(tree: readonly string[]): string[] {
  return tree.filter((line) => !line.startsWith('. '))
}

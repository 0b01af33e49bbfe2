import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { digestOf } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { openRealBed } from './support/real-bed.ts'

const run = promisify(execFile)
const has = (tool: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, tool)))
const isRoot = process.getuid?.() === 0
// On the machines that decide, a missing peer is a failure and not a reason to skip.
const isReady = (isRoot && has('umoci') && has('skopeo')) || process.env.CI !== undefined

/** An image of two layers by umoci, tagged `made`, in an OCI layout. */
async function makeByUmoci(layout: string, scratch: string): Promise<void> {
  const image = `${layout}:made`
  const bundle = join(scratch, 'bundle')
  await run('umoci', ['init', '--layout', layout])
  await run('umoci', ['new', '--image', image])
  await run('umoci', ['unpack', '--image', image, bundle])
  await mkdir(join(bundle, 'rootfs/etc'), { recursive: true })
  await writeFile(join(bundle, 'rootfs/etc/hostname'), 'varve\n')
  await writeFile(join(bundle, 'rootfs/etc/gone'), 'soon\n'.repeat(1000))
  await chmod(join(bundle, 'rootfs/etc/hostname'), 0o4755)
  await symlink('hostname', join(bundle, 'rootfs/etc/link'))
  await run('umoci', ['repack', '--refresh-bundle', '--image', image, bundle])
  await run('rm', [join(bundle, 'rootfs/etc/gone')])
  await run('umoci', ['repack', '--image', image, bundle])
  await run('umoci', ['config', '--image', image, '--config.cmd', 'sh', '--author', 'umoci'])
}

const inspect = async (name: string): Promise<Record<string, unknown>> =>
  JSON.parse((await run('skopeo', ['inspect', name])).stdout)
const rawDigest = async (name: string): Promise<string> =>
  digestOf((await run('skopeo', ['inspect', '--raw', name], { encoding: 'buffer' })).stdout)
const copy = async (from: string, to: string): Promise<void> => {
  await run('skopeo', ['--insecure-policy', 'copy', from, to])
}

describe.skipIf(!isReady)('with other tools (needs root, umoci and skopeo)', () => {
  test('an image by umoci loads, and saved with its blobs has its manifest digest for skopeo', async () => {
    await using bed = await openRealBed()
    await makeByUmoci(bed.path('oci'), bed.path('.'))
    const original = await rawDigest(`oci:${bed.path('oci')}:made`)
    const [loaded] = await bed.images.load(bed.path('oci'), { keepBlobs: true })
    expect(loaded).toMatchObject({ tags: ['oci:made'], manifest: original })
    await bed.images.save(['oci:made'], bed.path('again'), { format: 'oci-layout' })
    expect(await rawDigest(`oci:${bed.path('again')}:made`)).toBe(original)
    await bed.images.save(['oci:made'], bed.path('again.tar'), { format: 'oci-archive' })
    expect(await rawDigest(`oci-archive:${bed.path('again.tar')}:made`)).toBe(original)
    await run('umoci', ['unpack', '--image', `${bed.path('again')}:made`, bed.path('unpacked')])
    expect(await readFile(bed.path('unpacked/rootfs/etc/hostname'), 'utf8')).toBe('varve\n')
    expect(existsSync(bed.path('unpacked/rootfs/etc/gone'))).toBe(false)
    expect(await Array.fromAsync(bed.store.check({ full: true }))).toEqual([])
    expect(await Array.fromAsync(bed.images.check({ full: true }))).toEqual([])
  })

  test.each(['none', 'gzip', 'zstd'] as const)(
    'umoci unpacks what is saved as OCI layout with %s layers',
    async (compression) => {
      // umoci 0.4 does not know zstd; skopeo reads it.
      await using bed = await openRealBed()
      await makeByUmoci(bed.path('oci'), bed.path('.'))
      const [loaded] = await bed.images.load(bed.path('oci'))
      await bed.images.save(['oci:made'], bed.path('out'), { format: 'oci-layout', compression })
      await copy(`oci:${bed.path('out')}:made`, `dir:${bed.path('dir')}`)
      const config = await run(
        'skopeo',
        ['inspect', '--config', '--raw', `oci:${bed.path('out')}:made`],
        { encoding: 'buffer' },
      )
      expect(digestOf(config.stdout)).toBe(loaded?.id)
      if (compression === 'zstd') return
      await run('umoci', ['unpack', '--image', `${bed.path('out')}:made`, bed.path('unpacked')])
      expect(await readFile(bed.path('unpacked/rootfs/etc/hostname'), 'utf8')).toBe('varve\n')
    },
  )

  test('a docker-archive by skopeo loads as the same image, and skopeo reads ours', async () => {
    await using bed = await openRealBed()
    await makeByUmoci(bed.path('oci'), bed.path('.'))
    const theirs = `docker-archive:${bed.path('theirs.tar')}`
    await copy(`oci:${bed.path('oci')}:made`, `${theirs}:demo:1`)
    const [loaded] = await bed.images.load(bed.path('theirs.tar'))
    expect(loaded?.tags).toEqual(['demo:1'])

    await bed.images.save(['demo:1'], bed.path('ours.tar'))
    const ours = `docker-archive:${bed.path('ours.tar')}`
    expect((await inspect(ours)).Layers).toEqual((await inspect(theirs)).Layers)
    expect((await inspect(`${ours}:demo:1`)).Layers).toEqual(loaded?.diffIDs)
    await copy(`${ours}:demo:1`, `oci:${bed.path('back')}:x`)
    const [back] = await bed.images.load(bed.path('back'))
    expect(back?.diffIDs).toEqual(loaded?.diffIDs)
    expect(back?.layers.every(({ existed }) => existed)).toBe(true)
  })

  test('an image with Docker’s media types keeps its digest', async () => {
    await using bed = await openRealBed()
    await makeByUmoci(bed.path('oci'), bed.path('.'))
    // A layout with schema 2 documents, as mirrors of Docker images are.
    await run('skopeo', [
      '--insecure-policy',
      'copy',
      '--format',
      'v2s2',
      `oci:${bed.path('oci')}:made`,
      `dir:${bed.path('v2')}`,
    ])
    const manifest = await readFile(bed.path('v2/manifest.json'))
    const { config, layers, mediaType } = JSON.parse(manifest.toString())
    await mkdir(bed.path('layout/blobs/sha256'), { recursive: true })
    const add = async (hex: string, data: Uint8Array) =>
      writeFile(bed.path(`layout/blobs/sha256/${hex}`), data)
    for (const { digest } of [config, ...layers]) {
      const hex = digest.slice(7)
      await add(hex, await readFile(bed.path(`v2/${hex}`)))
    }
    const digest = digestOf(manifest)
    await add(digest.slice(7), manifest)
    await writeFile(bed.path('layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    const index = { schemaVersion: 2, manifests: [{ mediaType, digest, size: manifest.length }] }
    await writeFile(bed.path('layout/index.json'), JSON.stringify(index))
    const [loaded] = await bed.images.load(bed.path('layout'), { keepBlobs: true, tags: ['v2:1'] })
    expect(loaded?.manifest).toBe(digest)
    const [saved] = await bed.images.save(['v2:1'], bed.path('out'), { format: 'oci-layout' })
    expect(saved).toMatchObject({ original: true, manifest: { digest, mediaType } })
    // skopeo finds only OCI manifests by name, whoever wrote the layout.
    expect(await rawDigest(`oci:${bed.path('out')}`)).toBe(digest)
  })
})

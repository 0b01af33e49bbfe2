/** Images whose layers say nothing but how many there are, and how many files. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tarOf } from '@varve/testkit'
import { run } from '../../interop/run.ts'

/** An image in every form that a tool takes. */
export interface BenchImage {
  readonly name: string
  readonly layers: number
  /** As `docker save` makes it. */
  readonly archive: string
  /** The layers' tars, base first. */
  readonly tars: readonly string[]
}

/** Of the base that diffs are measured over. */
export const FILES = 30_000
const DIRECTORIES = 300

/** The path of one of the base's files. */
export function fileName(i: number): string {
  return `usr/d${i % DIRECTORIES}/f${i}`
}

/** An image of so many small layers; made once and kept in `dir`. */
export async function stackedImage(dir: string, layers: number): Promise<BenchImage> {
  return await makeImage(dir, `stack-${layers}`, layers, (layer) => [
    { name: `layer-${layer}/file`, data: `of layer ${layer}` },
    { name: 'top', data: String(layer) },
  ])
}

/** An image of one layer with {@link FILES} files of a kilobyte. */
export async function wideImage(dir: string): Promise<BenchImage> {
  const data = 'x'.repeat(1024)
  const files = Array.from({ length: FILES }, (_, i) => ({ name: fileName(i), data }))
  return await makeImage(dir, `wide-${FILES}`, 1, () => files)
}

type Entries = Parameters<typeof tarOf>[0]

async function makeImage(
  dir: string,
  name: string,
  layers: number,
  entriesOf: (layer: number) => Entries,
): Promise<BenchImage> {
  const at = (file: string) => join(dir, name, file)
  const numbers = Array.from({ length: layers }, (_, i) => i)
  const image: BenchImage = {
    name: `${name}:x`,
    layers,
    archive: at('image.tar'),
    tars: numbers.map((i) => at(`${i}/layer.tar`)),
  }
  if (existsSync(at(''))) return image
  const making = join(dir, `${name}.making`)
  await rm(making, { recursive: true, force: true })
  const diffIDs: string[] = []
  for (const i of numbers) {
    const tar = tarOf(entriesOf(i))
    diffIDs.push(`sha256:${createHash('sha256').update(tar).digest('hex')}`)
    await mkdir(join(making, String(i)), { recursive: true })
    await writeFile(join(making, `${i}/layer.tar`), tar)
  }
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['/nothing'] },
    rootfs: { type: 'layers', diff_ids: diffIDs },
    history: numbers.map((i) => ({ created_by: `layer ${i}` })),
  }
  const text = JSON.stringify(config)
  const file = `${createHash('sha256').update(text).digest('hex')}.json`
  await writeFile(join(making, file), text)
  const Layers = numbers.map((i) => `${i}/layer.tar`)
  const manifest = [{ Config: file, RepoTags: [image.name], Layers }]
  await writeFile(join(making, 'manifest.json'), JSON.stringify(manifest))
  await run('tar', ['-C', making, '-cf', `${making}.tar`, 'manifest.json', file, ...Layers])
  await rename(`${making}.tar`, join(making, 'image.tar'))
  await rename(making, join(dir, name))
  return image
}

/** The layers that are measured: real trees, each packed by tar, gzip and zstd. */
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { debianRoot } from '../../interop/debian.ts'
import { run } from '../../interop/run.ts'

export const COMPRESSIONS = ['tar', 'gz', 'zst'] as const
export type Compression = (typeof COMPRESSIONS)[number]

/** One tree as a layer. */
export interface BenchLayer {
  readonly name: string
  readonly entries: number
  readonly files: Readonly<Record<Compression, string>>
  readonly bytes: Readonly<Record<Compression, number>>
}

/**
 * A Debian root file system of about 10,000 entries, and a node_modules tree of more than 30,000
 * files. Made once and kept in `dir`.
 *
 * @param checkout where there is a node_modules
 */
export async function realLayers(dir: string, checkout: string): Promise<BenchLayer[]> {
  const debian = await debianRoot(join(dir, 'debian'), ['python3', 'curl', 'ca-certificates'])
  const modules = await nodeModules(join(dir, 'node_modules'), join(checkout, 'node_modules'))
  return [await pack('debian', debian), await pack('node_modules', modules)]
}

/**
 * The checkout's own dependencies, three times, without files of more than a megabyte: the few
 * binaries of runtimes among them would be most of the bytes.
 */
async function nodeModules(dir: string, from: string): Promise<string> {
  if (existsSync(dir) || existsSync(`${dir}.packed`)) return dir
  const making = `${dir}.making`
  await rm(making, { recursive: true, force: true })
  for (const copy of ['a', 'b', 'c']) {
    const to = join(making, copy, 'node_modules')
    await mkdir(to, { recursive: true })
    await run('sh', [
      '-c',
      'cd "$1" && find . ! -type d ! -size +1M -print0 | tar --null -T - -cf - | tar -C "$2" -xf -',
      ...['sh', from, to],
    ])
  }
  await rename(making, dir)
  return dir
}

/** Megabytes in one file of a {@link bigLayer}. */
const PART = 100

/**
 * Files of 100 MB, as a layer with nothing but payload.
 *
 * @param sample whose content is repeated
 */
export async function bigLayer(
  dir: string,
  megabytes: number,
  sample: string,
): Promise<BenchLayer> {
  const tree = join(dir, `big-${megabytes}`)
  if (!existsSync(tree) && !existsSync(`${tree}.packed`)) {
    const making = `${tree}.making`
    await mkdir(making, { recursive: true })
    const content = await readFile(sample)
    for (let part = 0; part * PART < megabytes; part++) {
      const file = await open(join(making, `part-${part}`), 'w')
      for (let left = PART * 1e6; left > 0; left -= content.length) {
        await file.write(content.subarray(0, left))
      }
      await file.close()
    }
    await rename(making, tree)
  }
  const layer = await pack(`${megabytes} MB`, tree)
  await rm(tree, { recursive: true, force: true })
  return layer
}

async function pack(name: string, tree: string): Promise<BenchLayer> {
  const files = { tar: `${tree}.tar`, gz: `${tree}.tar.gz`, zst: `${tree}.tar.zst` }
  if (!existsSync(`${tree}.packed`)) {
    await run('tar', ['-C', tree, '--numeric-owner', '--sort=name', '-cf', files.tar, '.'])
    await run('sh', ['-c', `gzip -6 -c "$1" > "$2"`, 'sh', files.tar, files.gz])
    await run('zstd', ['-q', '-f', '-3', files.tar, '-o', files.zst])
    await writeFile(`${tree}.packed`, '')
  }
  const bytes = {
    tar: (await stat(files.tar)).size,
    gz: (await stat(files.gz)).size,
    zst: (await stat(files.zst)).size,
  }
  const entries = (await run('tar', ['-tf', files.tar])).split('\n').length - 1
  return { name, entries, files, bytes }
}

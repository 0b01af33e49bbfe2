/** The command under test, run from source as its own process, on a store of its own. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Image, ImageLayer, LoadedImage } from '@varve/image'
import { run } from './run.ts'

const BIN = join(import.meta.dirname, '../packages/cli/src/bin.ts')

/** The varve command on one store. */
export interface Varve {
  (...args: string[]): Promise<string>
  readonly root: string
  /** What a command prints with `--json`, one value a line. */
  json<T>(...args: string[]): Promise<T[]>
  load(...args: string[]): Promise<LoadedImage[]>
  images(): Promise<Image[]>
  layers(image: string): Promise<ImageLayer[]>
}

/** @param options global options for every command */
export function varveOn(root: string, ...options: string[]): Varve {
  const call = (...args: string[]) =>
    run(process.execPath, ['--conditions=@varve/source', BIN, '--root', root, ...options, ...args])
  const json = async <T>(...args: string[]) =>
    (await call('--json', ...args))
      .split('\n')
      .filter((line) => line !== '')
      .map((line): T => JSON.parse(line))
  return Object.assign(call, {
    root,
    json,
    load: (...args: string[]) => json<LoadedImage>('load', ...args),
    images: () => json<Image>('images'),
    layers: (image: string) => json<ImageLayer>('layers', image),
  })
}

/** {@link varveOn} an empty store whose layers are kept as plain directories, to look into. */
export async function freshVarve(
  root: string,
  options: readonly string[] = ['--driver', 'vfs'],
): Promise<Varve> {
  await rm(root, { recursive: true, force: true })
  return varveOn(root, ...options)
}

/** Digest of what a layer gives back. */
export async function tarDigest(varve: Varve, chainID: string): Promise<string> {
  const file = `${varve.root}.layer.tar`
  await varve('layer', 'tar', chainID, '-o', file)
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  await rm(file)
  return `sha256:${hash.digest('hex')}`
}

/** The directory of files that the vfs driver keeps for the top layer of an image. */
export async function topDirectory(varve: Varve, image: string): Promise<string> {
  const layer = (await varve.layers(image)).at(-1)
  const hex = layer?.chainID.slice('sha256:'.length) ?? ''
  const id = await readFile(join(varve.root, 'image/vfs/layerdb/sha256', hex, 'cache-id'), 'utf8')
  return join(varve.root, 'vfs/dir', id)
}

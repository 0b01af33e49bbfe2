/**
 * The main job of varve on a real image, from end to end: load it, show its layers, change
 * something on top, commit, save, and prove that every byte came back.
 *
 *     npm start                                  the image in examples/
 *     npm start -- IMAGE [--platform os/arch]    a docker-archive or OCI layout of yours
 *     npm start -- IMAGE --root DIR              and leave the store there
 */
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { type ChainID, LayerError } from '@varve/core'
import type { Image, LoadedImage } from '@varve/image'
import { type OpenedStore, open } from 'varve'
import { describeFailure } from '../packages/cli/src/failure.ts'
import {
  countText,
  cut,
  durationText,
  printable,
  shortID,
  sizeText,
} from '../packages/cli/src/terminal/words.ts'

const EXAMPLE = resolve(import.meta.dirname, '../examples/world-clock.oci.tar')
const RW_NAME = 'varve-start'
const COMMITTED = 'varve-start/changed:latest'

const isColour = process.stdout.isTTY && !process.env.NO_COLOR
const styled = (style: Parameters<typeof styleText>[0], text: string): string =>
  isColour ? styleText(style, text) : text
const say = (text = ''): void => console.log(text)
const heading = (text: string): void => say(`\n${styled('bold', text)}`)
const proven = (text: string): void => say(`  ${styled('green', '✔')} ${text}`)

/** How long each step took, in its order. */
const times: [string, number][] = []

async function timed<T>(name: string, step: () => Promise<T>): Promise<T> {
  const started = performance.now()
  try {
    return await step()
  } finally {
    times.push([name, performance.now() - started])
  }
}

/** The digest of a stream and its length: counted here, so that the proof does not trust the store. */
async function measure(bytes: AsyncIterable<Uint8Array>): Promise<[digest: string, size: number]> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of bytes) {
    hash.update(chunk)
    size += chunk.length
  }
  return [`sha256:${hash.digest('hex')}`, size]
}

function assertSame(what: string, actual: unknown, wanted: unknown): void {
  if (actual === wanted) return
  throw new Error(`${what} is ${String(actual)} but must be ${String(wanted)}`)
}

async function showLayers({ images }: OpenedStore, image: Image): Promise<void> {
  const steps = (await images.history(image.id)).filter((step) => step.layer).reverse()
  for (const layer of (await images.get(image.id)).layers) {
    const step = steps.find((s) => s.layer?.chainID === layer.chainID)
    const how = cut(printable((step?.created_by ?? '').replace(/\s+/g, ' ')), 56)
    const size = sizeText(layer.size ?? 0).padStart(8)
    say(`  ● ${styled('cyan', shortID(layer.diffID))} ${size}   ${styled('dim', how)}`.trimEnd())
  }
}

/** Up to `count` regular files of a file system, nearest to its root first. */
async function someFiles(root: string, count: number): Promise<string[]> {
  const files: string[] = []
  const folders = [root]
  for (let at = folders.shift(); at !== undefined && files.length < count; at = folders.shift()) {
    const entries = await readdir(at, { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory()) folders.push(join(at, entry.name))
      if (entry.isFile()) files.push(join(at, entry.name))
    }
  }
  return files.slice(0, count)
}

async function change(root: string): Promise<void> {
  const [first, second] = await someFiles(root, 2)
  await mkdir(join(root, 'varve'))
  await writeFile(join(root, 'varve/hello.txt'), 'A new layer settles on the old ones.\n')
  if (first) await appendFile(first, 'one more line\n')
  if (second) await rm(second)
}

/** Changes something on top of a layer, says what, and makes it an image. */
async function changeAndCommit(opened: OpenedStore, image: LoadedImage): Promise<Image> {
  const { store, images } = opened
  const rw = await timed('create', () =>
    store.createRW(RW_NAME, image.chainID ? { parent: image.chainID } : {}),
  )
  try {
    await using mounted = await rw.mount()
    await change(mounted.path)
    await timed('diff', async () => {
      const letters = { add: styled('green', 'A'), modify: 'C', delete: styled('red', 'D') }
      for await (const { kind, path } of rw.changes()) say(`  ${letters[kind]} ${printable(path)}`)
    })
    return await timed('commit', async () => {
      await using layer = await rw.commit()
      return await images.commit(layer, {
        base: image.id,
        tags: [COMMITTED],
        createdBy: 'npm start',
      })
    })
  } finally {
    await store.releaseRW(rw)
  }
}

async function proveLayers({ store, images }: OpenedStore, image: Image): Promise<void> {
  let bytes = 0
  const { layers } = await images.get(image.id)
  for (const { chainID, diffID } of layers) {
    await using layer = await store.get(chainID as ChainID)
    const [digest, size] = await measure(layer.tar())
    assertSame(`digest of layer ${chainID}`, digest, diffID)
    bytes += size
  }
  proven(
    `${countText(layers.length, 'layer')}: ${sizeText(bytes)} of tar came back, each with its DiffID`,
  )
}

/** Saves an image, loads that into another store, and compares all that has a digest. */
async function proveSave(opened: OpenedStore, image: Image, work: string): Promise<void> {
  const file = join(work, `${shortID(image.id)}.tar`)
  const [saved] = await timed('save', () =>
    opened.images.save([image.id], file, { format: 'oci-archive' }),
  )
  if (image.manifest !== undefined) {
    assertSame('digest of the saved manifest', saved?.manifest.digest, image.manifest)
  }
  await using second = await open({ root: join(work, `second-${shortID(image.id)}`) })
  const [again] = await timed('load again', () => second.images.load(file))
  assertSame('id of the saved image', again?.id, image.id)
  assertSame('layers of the saved image', again?.diffIDs.join(), image.diffIDs.join())
  await second.images.remove(image.id, { force: true })
  const manifest = image.manifest ? `manifest ${shortID(image.manifest)} and ` : ''
  proven(`saved and loaded again: ${manifest}configuration ${shortID(image.id)} unchanged`)
}

async function proveClean({ store, images }: OpenedStore): Promise<void> {
  for (const part of [store, images]) {
    for await (const { subject, message } of part.check({ full: true })) {
      throw new Error(`the store is not clean: ${subject}: ${message}`)
    }
  }
  proven('checked: every file of every layer is what its tar says')
}

async function run(file: string, root: string, work: string, platform?: string): Promise<void> {
  await using opened = await open({ root })
  const { images, driver } = opened
  heading(`Load ${relative(process.cwd(), file) || file}`)
  const [image, ...others] = await timed('load', () =>
    images.load(file, { keepBlobs: true, ...(platform ? { platform } : {}) }),
  )
  if (!image) throw new LayerError('ERR_INVALID_IMAGE', `Cannot go on: no image in ${file}`)
  await showLayers(opened, image)
  const name = image.tags.join(', ') || shortID(image.id)
  say(`  = ${name}, ${sizeText(image.size)}, by the ${driver} driver in ${root}`)
  if (others.length > 0) say(`  (and ${countText(others.length, 'image')} more)`)

  heading('Change something in a read-write layer')
  const changed = await changeAndCommit(opened, image)
  heading('Commit it')
  await showLayers(opened, changed)
  say(`  = ${COMMITTED} (${shortID(changed.id)})`)

  heading('Prove that all of it comes back')
  await timed('read back', () => proveLayers(opened, changed))
  await proveSave(opened, image, work)
  await proveSave(opened, changed, work)
  await timed('check', () => proveClean(opened))

  await timed('clean up', async () => {
    await images.remove(changed.id, { force: true })
    if (root.startsWith(work)) await images.prune({ all: true })
  })
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { root: { type: 'string' }, platform: { type: 'string' } },
})
const work = await mkdtemp(join(tmpdir(), 'varve-start-'))
process.once('SIGINT', () => {
  rmSync(work, { recursive: true, force: true })
  process.exit(130)
})
try {
  const file = positionals[0] ? resolve(positionals[0]) : EXAMPLE
  const root = values.root ? resolve(values.root) : join(work, 'store')
  await run(file, root, work, values.platform)
  const total = times.reduce((sum, [, ms]) => sum + ms, 0)
  const steps = times.map(([name, ms]) => `${name} ${durationText(ms)}`)
  say(`\n${styled('dim', `${durationText(total)}: ${steps.join(', ')}`)}`)
} catch (error) {
  const { message, hint } = describeFailure(error)
  console.error(`\nstart: ${LayerError.is(error) ? message : (error as Error).message}`)
  if (LayerError.is(error) && hint) console.error(`hint: ${hint}`)
  process.exitCode = 1
} finally {
  await rm(work, { recursive: true, force: true })
}

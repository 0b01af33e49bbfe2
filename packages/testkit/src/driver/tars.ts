/** Every tar of the corpus, with a canary outside that none may touch. */
import assert from 'node:assert/strict'
import { mkdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, collect, LayerError } from '@varve/core'
import type { CorpusCase } from '../corpus/case.ts'
import { corpus } from '../corpus/corpus.ts'
import { applyTo } from '../memory/driver/apply.ts'
import { lookUp, newNode } from '../memory/driver/tree.ts'
import { raw } from '../tar/bytes.ts'
import type { DriverCase } from './case.ts'
import { inTempDir, type Kit, treeAt } from './kit.ts'

export const tars: readonly DriverCase[] = corpus().map(({ name, expect, hostile }) => ({
  name: `${hostile ? 'hostile' : 'odd'} tar: ${name} (${expect})`,
  run: (kit) => inTempDir((dir) => runCase(kit, name, join(dir, 'canary'))),
}))

async function runCase(kit: Kit, name: string, canary: string): Promise<void> {
  const tar = corpus({ path: canary }).find((other) => other.name === name)
  assert.ok(tar)
  await layCanary(canary)
  const before = await stateOf(canary)
  await applyCase(kit, tar)
  assert.deepEqual(await stateOf(canary), before, 'something outside of the layer was changed')
}

async function applyCase(kit: Kit, tar: CorpusCase): Promise<void> {
  const base = tar.base ? await kit.layer(tar.base()) : undefined
  const id = await kit.create(base)
  const outcome = await attempt(kit, id, base, tar)
  assert.ok(tar.expect !== 'applies' || outcome === undefined, String(outcome))
  assert.ok(tar.expect !== 'refused' || outcome !== undefined, 'it should be refused')
  if (outcome) {
    assert.ok(
      tar.codes.includes(outcome.code),
      `refused with ${outcome.code} instead of ${tar.codes.join(' or ')}: ${outcome.message}`,
    )
  } else if (tar.files) {
    await holds(kit, id, tar.files)
  }
  for (const layer of [id, base]) if (layer) await kit.driver.remove(layer)
  await kit.isEmpty()
}

async function attempt(
  kit: Kit,
  id: CacheID,
  base: CacheID | undefined,
  tar: CorpusCase,
): Promise<LayerError | undefined> {
  try {
    await using _applied = await kit.driver.applyDiff(id, base, tar.tar())
    return undefined
  } catch (error) {
    assert.ok(LayerError.is(error), `failed without a code: ${String(error)}`)
    return error
  }
}

/** Looks for files in the layer's whole tar, so that no path is followed on this system. */
async function holds(kit: Kit, id: CacheID, files: Readonly<Record<string, string | undefined>>) {
  const root = newNode('dir', 0o755)
  await applyTo(root, [await collect(kit.driver.diff(id) as AsyncIterable<Uint8Array>, 2 ** 28)])
  for (const [path, text] of Object.entries(files)) {
    const node = lookUp(root, raw(path))
    assert.equal(node?.type === 'file' ? raw(node.data) : undefined, text, path)
  }
}

async function layCanary(path: string): Promise<void> {
  await mkdir(join(path, 'dir'), { recursive: true })
  await writeFile(join(path, 'file'), 'sings', { mode: 0o640 })
  await writeFile(join(path, 'dir/inner'), 'sings too', { mode: 0o640 })
  for (const name of ['dir/inner', 'file', 'dir', '']) await utimes(join(path, name), 1e9, 1e9)
}

async function stateOf(path: string): Promise<unknown> {
  const { mode, uid, gid, mtimeMs, nlink } = await stat(path)
  return [[mode, uid, gid, mtimeMs, nlink], ...(await treeAt(path))]
}

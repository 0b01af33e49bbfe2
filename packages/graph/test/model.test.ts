/** The graph beside the simplest thing that could be one, over random operations and restarts. */
import type { Graph, GraphVersion } from '@varve/graph'
import { tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { bytesOf, newPlace } from './support/places.ts'

/** Few, and many that begin alike. */
const IDS = ['a', 'ab', 'abc', 'abd', 'b', 'ba'].map((start) => start.padEnd(64, '0'))
const PREFIXES = ['', 'a', 'ab', 'abc', 'abc0', 'b', 'b00', 'ba', 'c', ...IDS]

interface ModelImage {
  readonly parent: string | undefined
  readonly text: string
  digest?: string
}

/** What Docker's graph is, without files. */
class Model {
  readonly images = new Map<string, ModelImage>()
  readonly held = new Map<string, Set<string>>()

  find(prefix: string): string {
    const found = [...this.images.keys()].filter((id) => id.startsWith(prefix))
    if (prefix === '') return 'ERR_INVALID_ARGUMENT'
    if (found.length === 0) return 'ERR_IMAGE_NOT_FOUND'
    return found.length === 1 ? (found[0] as string) : 'ERR_AMBIGUOUS_ID'
  }

  children(id: string): string[] {
    return [...this.images]
      .filter(([, { parent }]) => parent === id)
      .map(([child]) => child)
      .sort()
  }

  register(version: GraphVersion, id: string, parent: string | undefined, text: string): string {
    if (parent === id) return 'ERR_INVALID_ARGUMENT'
    if (this.images.has(id)) return version === '1.9' ? id : 'ERR_IMAGE_EXISTS'
    if (parent !== undefined && !this.images.has(parent)) return 'ERR_LAYER_NOT_FOUND'
    this.images.set(id, { parent, text })
    return id
  }

  delete(prefix: string): string {
    const id = this.find(prefix)
    if (!this.images.has(id)) return id
    if (this.children(id).length > 0 || this.held.has(id)) return 'ERR_LAYER_IN_USE'
    this.images.delete(id)
    return 'done'
  }
}

const id = fc.constantFrom(...IDS)
const prefix = fc.constantFrom(...PREFIXES)
const version = fc.constantFrom<GraphVersion>('1.7', '1.9')
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('register' as const),
      id,
      parent: fc.option(id, { nil: undefined }),
      text: fc.string({ maxLength: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), prefix }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('get' as const), prefix }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('retain' as const, 'release' as const),
      session: fc.constantFrom('x', 'y'),
      id,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('digest' as const), id, byte: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), version }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** What a call gave: its value, or the code of its error. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    return (error as { code?: string }).code ?? error
  }
}

async function take(one: Step, graph: Graph, model: Model): Promise<void> {
  if (one.kind === 'register') {
    const tar = tarOf([{ name: 'text', data: one.text }])
    const given = { id: one.id, ...(one.parent === undefined ? {} : { parent: one.parent }) }
    const done = await outcome(graph.register(given, [tar]).then((image) => image.id))
    expect(done).toBe(model.register(graph.version, one.id, one.parent, one.text))
  } else if (one.kind === 'delete') {
    const done = await outcome(graph.delete(one.prefix).then(() => 'done'))
    expect(done).toBe(model.delete(one.prefix))
  } else if (one.kind === 'get') {
    expect(await outcome(graph.get(one.prefix).then((image) => image.id))).toBe(
      model.find(one.prefix),
    )
  } else if (one.kind === 'retain') {
    await graph.retain(one.session, one.id)
    model.held.set(one.id, new Set([...(model.held.get(one.id) ?? []), one.session]))
  } else if (one.kind === 'release') {
    await graph.release(one.session, one.id)
    model.held.get(one.id)?.delete(one.session)
    if (model.held.get(one.id)?.size === 0) model.held.delete(one.id)
  } else if (one.kind === 'digest') {
    const digest = `sha256:${String(one.byte).repeat(64)}` as const
    const image = model.images.get(one.id)
    const done = await outcome(graph.setDigest(one.id, digest).then(() => 'done'))
    expect(done).toBe(image ? 'done' : 'ERR_IMAGE_NOT_FOUND')
    if (image) image.digest = digest
  }
}

async function compare(graph: Graph, model: Model): Promise<void> {
  const ids = [...model.images.keys()].sort()
  expect([...(await graph.map()).keys()].sort()).toEqual(ids)
  expect([...(await graph.heads()).keys()].sort()).toEqual(
    ids.filter((one) => model.children(one).length === 0),
  )
  const byParent = await graph.byParent()
  for (const one of IDS) {
    expect((byParent.get(one) ?? []).map((image) => image.id).sort()).toEqual(
      model.images.has(one) ? model.children(one) : [],
    )
    expect(await graph.hasChildren(one)).toBe(model.children(one).length > 0)
    expect(await graph.isHeld(one)).toBe(model.held.has(one))
  }
  for (const [one, { parent, text, digest }] of model.images) {
    const image = await graph.get(one)
    expect([image.parent, image.size]).toEqual([parent, Buffer.byteLength(text)])
    expect(await outcome(graph.getDigest(one))).toBe(digest ?? 'ERR_DIGEST_NOT_SET')
    expect(await bytesOf(graph.tarLayer(one))).toContain(Buffer.from(text).toString('latin1'))
  }
  expect(await graph.problems()).toEqual([])
}

test('whatever is done, and restarted between, it is as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(
      version,
      fc.array(step, { minLength: 3, maxLength: 30 }),
      async (first, steps) => {
        await using place = await newPlace()
        const model = new Model()
        let graph = await place.open(first)
        for (const one of steps) {
          if (one.kind === 'restart') {
            await graph[Symbol.asyncDispose]()
            model.held.clear()
            graph = await place.open(one.version)
            await compare(graph, model)
          } else await take(one, graph, model)
        }
        await compare(graph, model)
      },
    ),
    { numRuns: runs(25) },
  )
})

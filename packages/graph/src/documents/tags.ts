import { dirname } from 'node:path'
import { LayerError, wrapError } from '@varve/core'
import { familiarName, familiarRepository, isV1ID, parseReference } from '@varve/image'
import { assertWritable, type GraphContext } from '../context.ts'
import { readText, replaceFile } from '../disk/files.ts'

/** `repositories-<driver>` (Docker 1.9, `graph/tags.go`): name, tag or digest, id. */
type Table = Record<string, Record<string, string>>

/** See `Graph.tags`. */
export function readTags(ctx: GraphContext): ReadonlyMap<string, string> {
  const tags = new Map<string, string>()
  for (const [name, versions] of Object.entries(readTable(ctx))) {
    for (const [version, id] of Object.entries(versions)) tags.set(joined(name, version), id)
  }
  return new Map([...tags].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A name as people write it; one that is none by today's grammar stays as it is. */
function joined(name: string, version: string): string {
  if (version.includes(':')) return `${name}@${version}`
  try {
    return familiarName(parseReference(`${name}:${version}`))
  } catch (error) {
    if (LayerError.is(error, 'ERR_INVALID_ARGUMENT')) return `${name}:${version}`
    throw error
  }
}

/** See `Graph.tag`. */
export async function tagImage(ctx: GraphContext, prefix: string, name: string): Promise<string> {
  const id = await ctx.catalog.resolve(prefix)
  const reference = parseReference(name)
  if (reference.tag === undefined || reference.digest !== undefined) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot tag an image ${name}: give only a tag`)
  }
  const { tag } = reference
  await change(ctx, `Cannot tag image ${id}`, (table) => {
    const repository = familiarRepository(reference)
    table[repository] = { ...table[repository], [tag]: id }
  })
  return familiarName(reference)
}

/** See `Graph.untag`. */
export async function untagImage(ctx: GraphContext, name: string): Promise<string> {
  const wanted = readTags(ctx).has(name) ? name : familiarName(parseReference(name))
  await change(ctx, `Cannot remove tag ${name}`, (table) => {
    for (const [repository, versions] of Object.entries(table)) {
      for (const version of Object.keys(versions)) {
        if (joined(repository, version) !== wanted) continue
        delete versions[version]
        if (Object.keys(versions).length === 0) delete table[repository]
        return
      }
    }
    throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${name}: there is no such tag`, {
      data: { tag: name },
    })
  })
  return wanted
}

async function change(
  ctx: GraphContext,
  attempt: string,
  edit: (table: Table) => void,
): Promise<void> {
  assertWritable(ctx, attempt)
  const { repositories } = ctx
  if (repositories === undefined) {
    throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: the graph was opened without tags`)
  }
  await ctx.locks.graph('exclusive', async () => {
    const table = readTable(ctx)
    edit(table)
    try {
      const text = JSON.stringify({ Repositories: table })
      await replaceFile(ctx.sys, dirname(repositories), repositories, text)
    } catch (error) {
      throw wrapError(error, attempt)
    }
  })
}

function readTable({ repositories }: GraphContext): Table {
  if (repositories === undefined) return {}
  const damaged = (why: string, cause?: unknown): LayerError =>
    new LayerError('ERR_CORRUPT_METADATA', `Cannot read tags in ${repositories}: ${why}`, { cause })
  const text = readText(repositories)
  if (text === undefined || text === '') return {}
  let table: unknown
  try {
    table = JSON.parse(text)?.Repositories ?? {}
  } catch (error) {
    throw damaged('it is not JSON', error)
  }
  const isTable = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isTable(table)) throw damaged('it holds no table')
  const clean: Table = {}
  for (const [name, versions] of Object.entries(table)) {
    if (!isTable(versions)) throw damaged(`${name} is no table`)
    const ids = Object.entries(versions).map(([version, id]): [string, string] => {
      if (typeof id === 'string' && isV1ID(id)) return [version, id]
      throw damaged(`${name}:${version} is no image id`)
    })
    clean[name] = Object.fromEntries(ids)
  }
  return clean
}

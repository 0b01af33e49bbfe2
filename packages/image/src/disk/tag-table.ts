import { type Digest, digestOf, isDigest } from '@varve/core'
import type * as v from 'valibot'
import { jsonBytes, parseDocument } from '../document/json.ts'
import { repositoriesSchema } from '../document/schemas.ts'
import { familiarName, familiarRepository, type Reference } from '../reference.ts'
import type { ImageID } from '../types/image.ts'

type Repositories = Record<string, Record<string, string>>

/**
 * Docker's `repositories.json`: `{"Repositories":{"alpine":{"alpine:latest":"sha256:…"}}}`, with
 * familiar names, and names with a digest beside those with a tag.
 */
export interface TagTable {
  /** The image that a tag, or a name with a digest, points to. */
  get(reference: Reference): ImageID | undefined
  /** Every name with its image, sorted; those that lead to no well-formed id included. */
  entries(): readonly (readonly [name: string, target: string])[]
  /** Points a name to an image. */
  set(reference: Reference, id: ImageID): void
  /** Takes a name away, as it is written in the table; whether it was there. */
  delete(name: string): boolean
  /** The table as Docker writes it. */
  toBytes(): Uint8Array
  /** Differs once the table does. */
  revision(): Digest
}

/** @throws LayerError `ERR_CORRUPT_METADATA` */
export function parseTagTable(bytes: Uint8Array | undefined, path: string): TagTable {
  const document = bytes
    ? parseDocument(bytes, repositoriesSchema, { what: path, code: 'ERR_CORRUPT_METADATA' })
    : {}
  const given: v.InferOutput<typeof repositoriesSchema> = document
  const table: Repositories = { ...given.Repositories }

  const toBytes = (): Uint8Array => {
    const repositories = sorted(
      Object.entries(table)
        .filter(([, names]) => Object.keys(names).length > 0)
        .map(([repository, names]) => [repository, sorted(Object.entries(names))]),
    )
    return jsonBytes({ ...document, Repositories: repositories })
  }

  return {
    get(reference) {
      const target = table[familiarRepository(reference)]?.[familiarName(reference)]
      return isDigest(target) ? (target as ImageID) : undefined
    },
    entries: () =>
      Object.values(table)
        .flatMap((names) => Object.entries(names))
        .sort(byName),
    set(reference, id) {
      const repository = familiarRepository(reference)
      table[repository] = { ...table[repository], [familiarName(reference)]: id }
    },
    delete(name) {
      const names = Object.values(table).find((one) => Object.hasOwn(one, name))
      if (!names) return false
      delete names[name]
      return true
    },
    toBytes,
    revision: () => digestOf(toBytes()),
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sorted<T>(entries: [string, T][]): Record<string, T> {
  return Object.fromEntries(entries.sort(byName))
}

import { randomBytes } from 'node:crypto'
import { readdir, readFile, readlink, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import { isThere, layersIn, writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'

/** moby's `idLength`: as many characters as a short name has. */
const LENGTH = 26
/** RFC 4648. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const SHORT_NAME = /^[A-Z2-7]{26}$/

/** 130 random bits, so that nobody else has it. */
function newShortName(): string {
  return Array.from(randomBytes(LENGTH), (byte) => ALPHABET[byte & 31]).join('')
}

/** Gives a layer a short name: first written down in it, so that its removal knows of it. */
export async function giveShortName(home: Home, id: CacheID): Promise<string> {
  const name = newShortName()
  await writeSynced(join(home.layer(id), 'link'), name, 0o644)
  await symlink(join('..', id, 'diff'), join(home.links, name))
  return name
}

/** The short name that is written down in a layer's directory; undefined if none is. */
export async function readShortName(layer: string): Promise<string | undefined> {
  const text = await readIfAny(join(layer, 'link'))
  const name = text?.trim()
  return name !== undefined && SHORT_NAME.test(name) ? name : undefined
}

/** The same, and one that was lost is given anew, as it is in `l/` if it is there. */
export async function shortNameOf(home: Home, id: CacheID): Promise<string> {
  const known = await readShortName(home.layer(id))
  if (known !== undefined) return known
  for (const [name, owner] of await allShortNames(home)) {
    if (owner !== id) continue
    await writeSynced(join(home.layer(id), 'link'), name, 0o644)
    return name
  }
  return giveShortName(home, id)
}

/** The short names of the layers that a layer stands on, nearest first; none for a base layer. */
export async function lowersOf(home: Home, id: CacheID): Promise<readonly string[]> {
  const text = await readIfAny(join(home.layer(id), 'lower'))
  if (text === undefined) return []
  return text
    .trim()
    .split(':')
    .map((entry) => {
      const name = entry.startsWith('l/') ? entry.slice(2) : ''
      if (SHORT_NAME.test(name)) return name
      throw new LayerError(
        'ERR_CORRUPT_LAYER',
        `Cannot read layer ${id}: its file "lower" is damaged`,
        { data: { id }, hint: 'Register the layer again' },
      )
    })
}

/** Makes the entries of `l/` again that layers have written down and that are lost. */
export async function restoreLinks(home: Home): Promise<void> {
  for (const id of await layersIn(home.root)) {
    const name = await readShortName(home.layer(id))
    if (name === undefined || (await isThere(join(home.links, name)))) continue
    await symlink(join('..', id, 'diff'), join(home.links, name))
  }
}

/** Removes the entries of `l/` that lead to no layer; returns how many. */
export async function sweepLinks(home: Home): Promise<number> {
  let swept = 0
  for (const [name, id] of await allShortNames(home)) {
    // A layer is there before anything in `l/` leads to it.
    if (await isThere(home.diff(id))) continue
    await removeShortName(home, name)
    swept++
  }
  return swept
}

export async function removeShortName(home: Home, name: string): Promise<void> {
  try {
    await unlink(join(home.links, name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Short name and layer of every entry of `l/` that is of our form. */
async function allShortNames(home: Home): Promise<[string, CacheID][]> {
  const found: [string, CacheID][] = []
  for (const name of await readdir(home.links)) {
    if (!SHORT_NAME.test(name)) continue
    const target = await readLinkIfAny(join(home.links, name))
    const id = /^\.\.\/([a-f0-9]{64}(?:-init)?)\/diff$/.exec(target ?? '')?.[1]
    if (id !== undefined) found.push([name, id as CacheID])
  }
  return found
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function readLinkIfAny(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EINVAL') return undefined
    throw error
  }
}

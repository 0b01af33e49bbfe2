import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { LayerError, wrapError } from '@varve/core'

/** The format that this varve writes. A newer one is not opened, an older one would be migrated. */
const FORMAT_VERSION = 1

/** What a directory turned out to be. */
type RootKind =
  /** It does not exist, or holds nothing. */
  | 'new'
  /** A store of ours. */
  | 'varve'
  /** Docker's data root. */
  | 'docker'

/** What there is at a root. */
export interface Root {
  readonly kind: RootKind
  /** Drivers that layers were kept with, by the folders in `image/`. */
  readonly drivers: readonly string[]
}

/**
 * Where the store is when nobody says it: `/var/lib/varve` for root, otherwise
 * `$XDG_DATA_HOME/varve` or `~/.local/share/varve` (XDG Base Directory Specification).
 */
export function defaultRoot(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean,
): string {
  if (isRoot) return '/var/lib/varve'
  // The specification: a relative path here is invalid and to be ignored.
  const data = env.XDG_DATA_HOME
  return join(data?.startsWith('/') ? data : join(homedir(), '.local/share'), 'varve')
}

/**
 * Looks at a root without changing it.
 *
 * @throws LayerError `ERR_NOT_A_STORE`, `ERR_STORE_VERSION`, `ERR_CORRUPT_METADATA`,
 *   `ERR_PERMISSION`
 */
export async function inspectRoot(root: string): Promise<Root> {
  const names = await entries(root)
  const version = names.includes('varve') ? await readVersion(root) : undefined
  const drivers = names.includes('image') ? await driversIn(root) : []
  if (version !== undefined) return { kind: 'varve', drivers }
  // A process killed while it made the store leaves `varve/` without the marker and nothing else.
  const foreign = names.filter((name) => name !== 'varve' && name !== 'lost+found')
  if (foreign.length === 0) return { kind: 'new', drivers: [] }
  if (drivers.length > 0) return { kind: 'docker', drivers }
  throw new LayerError('ERR_NOT_A_STORE', `Cannot open ${root}: it is not a store, nor empty`, {
    data: { root, found: foreign.slice(0, 10) },
    hint: 'Choose an empty or new directory with --root',
  })
}

/** Makes an empty store at a root, for its owner only. Many processes may do so at once. */
export async function createRoot(root: string): Promise<void> {
  const marker = join(root, 'varve')
  const temporary = join(marker, `version.${randomUUID()}.tmp`)
  try {
    await mkdir(root, { recursive: true, mode: 0o710 })
    await mkdir(marker, { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ formatVersion: FORMAT_VERSION })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, join(marker, 'version'))
    for (const folder of [marker, root, dirname(root)]) await syncDirectory(folder)
  } catch (error) {
    await rm(temporary, { force: true })
    throw wrapError(error, `Cannot make a store in ${root}`, { root })
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open a directory as a file.
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

async function entries(root: string): Promise<readonly string[]> {
  try {
    return await readdir(root)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') {
      throw new LayerError('ERR_NOT_A_STORE', `Cannot open ${root}: it is not a directory`, {
        cause: error,
        data: { root },
        hint: 'Choose a directory with --root',
      })
    }
    throw wrapError(error, `Cannot open the store ${root}`, { root })
  }
}

/** Undefined if there is no marker. */
async function readVersion(root: string): Promise<number | undefined> {
  let text: string
  try {
    text = await readFile(join(root, 'varve/version'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw wrapError(error, `Cannot open the store ${root}`, { root })
  }
  const version = parseVersion(text)
  if (version === undefined) {
    throw new LayerError('ERR_CORRUPT_METADATA', `Cannot open ${root}: its version is unreadable`, {
      data: { root, found: text.slice(0, 100) },
      hint: `varve/version there must hold {"formatVersion":${FORMAT_VERSION}}`,
    })
  }
  if (version > FORMAT_VERSION) {
    throw new LayerError(
      'ERR_STORE_VERSION',
      `Cannot open ${root}: its format is ${version}, this varve knows ${FORMAT_VERSION}`,
      { data: { root, version, known: FORMAT_VERSION }, hint: 'Use the varve that wrote it' },
    )
  }
  return version
}

function parseVersion(text: string): number | undefined {
  try {
    const version: unknown = JSON.parse(text)?.formatVersion
    return Number.isSafeInteger(version) && (version as number) >= 1
      ? (version as number)
      : undefined
  } catch {
    return undefined
  }
}

/** Drivers with a layerdb, in Docker's layout: `image/<driver>/layerdb`. */
async function driversIn(root: string): Promise<readonly string[]> {
  const image = join(root, 'image')
  const found: string[] = []
  try {
    for (const entry of await readdir(image, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue
      const inside = await readdir(join(image, entry.name))
      if (inside.includes('layerdb')) found.push(entry.name)
    }
  } catch (error) {
    throw wrapError(error, `Cannot open the store ${root}`, { root })
  }
  return found.sort()
}

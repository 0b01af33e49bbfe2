import { join, resolve } from 'node:path'
import { cleanUp, LayerError, type LayerStore, openStore } from '@varve/core'
import { type ImageStore, imageRoots, openImages } from '@varve/image'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { openDriver } from './choose-driver.ts'
import { canonicalName, driverKind } from './drivers.ts'
import { besideImages, readOnlyImages, readOnlyStore } from './read-only.ts'
import { createRoot, inspectRoot, type Root } from './root.ts'

/** Which store {@link open} opens, and how. */
export interface OpenOptions {
  /** The store's directory, or Docker's data root. */
  readonly root: string
  /** How layers are kept; default: as those that are there, in a new store the best way here. */
  readonly driver?: string
  /** Told which better driver a new store cannot have here, and why. */
  readonly onPassedOver?: (driver: string, why: LayerError) => void
  /** Refuse all but the data root of a Docker daemon. */
  readonly docker?: boolean
  /** Make an empty store where there is none; default true. */
  readonly create?: boolean
  /** Told what the opening had to repair, one text each. */
  readonly onRecovered?: (what: string) => void
}

/** An open store. Disposing of it closes it. */
export interface OpenedStore extends AsyncDisposable {
  readonly root: string
  readonly driver: string
  readonly kind: 'varve' | 'docker'
  /** True for Docker's data root: a daemon may be using it. */
  readonly readOnly: boolean
  readonly store: LayerStore
  readonly images: ImageStore
  close(): Promise<void>
}

/**
 * Opens a store in a directory: layers, images, and what keeps them.
 *
 * @throws LayerError `ERR_NOT_A_STORE`, `ERR_STORE_VERSION`, `ERR_NOT_SUPPORTED` for a driver that
 *   varve has not, `ERR_INVALID_ARGUMENT` if there are several drivers' layers and none was chosen,
 *   `ERR_PERMISSION`, `ERR_CORRUPT_METADATA`
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { open } from 'varve'
 *
 * const root = await mkdtemp(join(tmpdir(), 'varve-'))
 * await using opened = await open({ root })
 * console.assert((await opened.images.list()).length === 0)
 * ```
 */
export async function open(options: OpenOptions): Promise<OpenedStore> {
  const root = resolve(options.root)
  const found = await inspectRoot(root)
  refuseWrongKind(root, found, options)
  if (options.driver !== undefined) driverKind(canonicalName(options.driver))
  if (found.kind === 'new') await createRoot(root)

  const readOnly = found.kind === 'docker'
  // What is open, last opened first.
  const parts: AsyncDisposable[] = []
  const close = async (reason?: unknown): Promise<unknown> =>
    await cleanUp(reason, ...parts.splice(0).map((part) => () => part[Symbol.asyncDispose]()))
  try {
    const choice = { wanted: options.driver, readOnly, onPassedOver: options.onPassedOver }
    const { name, driver } = await openDriver(root, found, choice)
    parts.unshift(driver)
    const metadata = await metadataFs({ root: join(root, 'image', name, 'layerdb'), readOnly })
    parts.unshift(metadata)
    const store = await openStore({
      driver,
      metadata,
      codec: tarSplit(),
      retained: () => imageRoots({ root, driver: name }),
      ...(options.onRecovered ? { onRecovered: options.onRecovered } : {}),
    })
    // The store closes its driver and metadata.
    parts.splice(0, 2, store)
    const place = readOnly ? await besideImages(root) : undefined
    if (place) parts.unshift(place)
    const images = await openImages({
      root: place?.root ?? root,
      driver: name,
      store,
      ...(options.onRecovered ? { onRecovered: options.onRecovered } : {}),
    })
    parts.unshift(images)

    const closeAll = async (): Promise<void> => {
      const failure = await close()
      if (failure !== undefined) throw failure
    }
    return {
      root,
      driver: name,
      kind: readOnly ? 'docker' : 'varve',
      readOnly,
      store: readOnly ? readOnlyStore(store) : store,
      images: readOnly ? readOnlyImages(images) : images,
      close: closeAll,
      [Symbol.asyncDispose]: closeAll,
    }
  } catch (error) {
    throw await close(error)
  }
}

function refuseWrongKind(root: string, found: Root, { docker, create = true }: OpenOptions): void {
  if (docker && found.kind !== 'docker') {
    throw new LayerError('ERR_NOT_A_STORE', `Cannot open ${root}: it is no Docker data root`, {
      data: { root, kind: found.kind },
      hint: 'Give the data root of a Docker daemon with --root, often /var/lib/docker',
    })
  }
  if (found.kind === 'new' && !create) {
    throw new LayerError('ERR_NOT_A_STORE', `Cannot open ${root}: there is no store yet`, {
      data: { root },
      hint: 'Load an image to make one (varve load IMAGE.tar), or choose another with --root',
    })
  }
}

import { type ByteSource, type Change, collect, LayerError, toStream } from '@varve/core'
import { bytesOf } from '../../tar/bytes.ts'
import { withMethods } from '../replace.ts'
import { type EditEntry, editStream } from '../tar-edit.ts'
import { type BreakDriver, baseName } from './break-driver.ts'

/** A driver that gives other entries than the layer has. */
function diffing(edit: EditEntry): BreakDriver {
  return (driver) => ({
    diff: (id, parent, options) => editStream(driver.diff(id, parent, options), edit),
  })
}

/** A driver that tells other changes. */
function telling(edit: (changes: Change[]) => Change[]): BreakDriver {
  return (driver) => ({
    changes: async function* (id, parent, options) {
      const changes: Change[] = []
      for await (const change of driver.changes(id, parent, options)) changes.push(change)
      yield* edit(changes)
    },
  })
}

/** What a driver tells wrong of a layer. */
export const DIFF_FAULTS: Readonly<Record<string, BreakDriver>> = {
  'tells a wrong size of a difference': (driver) => ({
    diffSize: async (...args) => (await driver.diffSize(...args)) * 2,
  }),
  'cuts a file in its diff': diffing((entry, { type, data }) =>
    type === 'file' ? { ...entry, data: data.slice(0, -1) } : entry,
  ),
  'forgets deletions in its diff': diffing((entry, item) =>
    baseName(item).startsWith('.wh.') ? undefined : entry,
  ),
  'loses modes in its diff': diffing((entry) => ({ ...entry, mode: 0o644 })),
  'forgets deletions in its changes': telling((all) => all.filter(({ kind }) => kind !== 'delete')),
  'tells additions as modifications': telling((all) =>
    all.map((change) => ({ ...change, kind: change.kind === 'add' ? 'modify' : change.kind })),
  ),
  'tells changes in any order': telling((all) => all.reverse()),
  'tells the root as changed': telling((all) => [
    { kind: 'modify', path: '/', rawPath: bytesOf('/') },
    ...all,
  ]),
  'makes up payloads of any size': (driver) => ({
    files: async (id) => {
      const files = await driver.files?.(id)
      if (!files) throw new LayerError('ERR_NOT_SUPPORTED', 'Cannot read files')
      return withMethods(files, { open: (name, size) => madeUp(files.open(name, size), size) })
    },
  }),
  'verifies nothing': () => ({ verify: async function* () {} }),
  'finds fault with everything': () => ({
    verify: async function* () {
      yield '/d/f: differs'
    },
  }),
  'loses bytes behind the end of a tar': (driver) => ({
    diff: (id, parent, options) =>
      toStream(
        (async function* () {
          const tar = await collect(
            driver.diff(id, parent, options) as AsyncIterable<Uint8Array>,
            2 ** 28,
          )
          yield tar.subarray(0, tar.length - (tar.length % 512))
        })(),
      ),
  }),
}

async function* madeUp(source: ByteSource, size: number): AsyncGenerator<Uint8Array> {
  try {
    yield* source
  } catch {
    yield new Uint8Array(size)
  }
}

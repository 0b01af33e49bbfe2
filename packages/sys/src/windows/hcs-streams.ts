import { BASIC_INFO_BYTES, infoBytes, parseInfo } from './basic-info.ts'
import {
  type HcsDriverInfo,
  HcsError,
  type HcsExport,
  type HcsImport,
  type HcsLayer,
} from './hcs.ts'
import type { HcsCall } from './hcs-call.ts'
import { chainOf, type HcsTypes } from './hcs-types.ts'

/** `ERROR_NO_MORE_FILES`, by which `ExportLayerNext` ends. */
const NO_MORE_FILES = 18
const READ_BYTES = 256 * 1024

/** Binds `ImportLayerBegin` and what belongs to it. */
export async function beginImport(
  call: HcsCall,
  types: HcsTypes,
  info: HcsDriverInfo,
  id: string,
  chain: readonly HcsLayer[],
): Promise<HcsImport> {
  const { chainArgs, outPointer } = types
  const context: unknown[] = [null]
  const beginTypes = [...chainArgs, outPointer]
  await call('ImportLayerBegin', beginTypes, id, info, id, ...chainOf(chain), context)
  let open = true
  const end = async () => {
    if (!open) return
    open = false
    await call('ImportLayerEnd', ['void *'], id, context[0])
  }
  return {
    next: async (name, file) => {
      const args = [context[0], name, file ? infoBytes(file) : null]
      await call('ImportLayerNext', ['void *', 'str16', 'void *'], name, ...args)
    },
    write: async (bytes) => {
      const writeTypes = ['void *', 'void *', 'uint32']
      await call('ImportLayerWrite', writeTypes, id, context[0], bytes, bytes.length)
    },
    end,
    [Symbol.asyncDispose]: end,
  }
}

/** Binds `ExportLayerBegin` and what belongs to it. */
export async function beginExport(
  call: HcsCall,
  types: HcsTypes,
  info: HcsDriverInfo,
  id: string,
  chain: readonly HcsLayer[],
): Promise<HcsExport> {
  const { chainArgs, outPointer, outString, outInt64, outUint32 } = types
  const context: unknown[] = [null]
  const beginTypes = [...chainArgs, outPointer]
  await call('ExportLayerBegin', beginTypes, id, info, id, ...chainOf(chain), context)
  let open = true
  return {
    next: async () => {
      const name: (string | null)[] = [null]
      const bytes = Buffer.alloc(BASIC_INFO_BYTES)
      const [size, deleted]: (number | bigint)[][] = [[0], [0]]
      const nextTypes = ['void *', outString, 'void *', outInt64, outUint32]
      try {
        const args = [context[0], name, bytes, size, deleted]
        await call('ExportLayerNext', nextTypes, id, ...args)
      } catch (error) {
        if (error instanceof HcsError && error.status === NO_MORE_FILES) return undefined
        throw error
      }
      return {
        name: name[0] ?? '',
        info: parseInfo(bytes),
        size: Number(size?.[0]),
        deleted: Number(deleted?.[0]) !== 0,
      }
    },
    read: async () => {
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const got = [0]
      const readTypes = ['void *', 'void *', 'uint32', outUint32]
      await call('ExportLayerRead', readTypes, id, context[0], buffer, READ_BYTES, got)
      return buffer.subarray(0, got[0])
    },
    [Symbol.asyncDispose]: async () => {
      if (!open) return
      open = false
      await call('ExportLayerEnd', ['void *'], id, context[0])
    },
  }
}

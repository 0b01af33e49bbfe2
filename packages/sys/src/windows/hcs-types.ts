import type { HcsLayer } from './hcs.ts'
import { assertSize, type Koffi, type Library } from './koffi.ts'

/** HcsTypes of the service's arguments. */
export interface HcsTypes {
  readonly driver: unknown
  readonly layers: unknown
  readonly chainArgs: readonly unknown[]
  readonly outUint32: unknown
  readonly outInt64: unknown
  readonly inoutSize: unknown
  readonly outPointer: unknown
  readonly outString: unknown
}

/**
 * Layouts of hcsshim's `layerutils.go`, as C has them on x86_64.
 *
 * @param ole32 for `CoTaskMemFree`, which frees the strings of the service
 */
export function typesOf(koffi: Koffi, ole32: Library): HcsTypes {
  const driverInfo = koffi.struct({ flavour: 'int', homeDir: 'str16' })
  assertSize(koffi, 'DRIVER_INFO', driverInfo, 16)
  const descriptor = koffi.struct({
    guid: koffi.array('uint8', 16),
    flags: 'uint32',
    path: 'str16',
  })
  assertSize(koffi, 'WC_LAYER_DESCRIPTOR', descriptor, 32)
  const driver = koffi.pointer(driverInfo)
  const layers = koffi.pointer(descriptor)
  const string = koffi.disposable('str16', ole32.func('CoTaskMemFree', 'void', ['void *']))
  const out = (type: unknown) => koffi.out(koffi.pointer(type))
  return {
    driver,
    layers,
    chainArgs: [driver, 'str16', layers, 'uint32'],
    outUint32: out('uint32'),
    outInt64: out('int64'),
    inoutSize: koffi.inout(koffi.pointer('size_t')),
    outPointer: out('void *'),
    outString: out(string),
  }
}

/** A chain as its two arguments: `NULL, 0` if there is none. */
export function chainOf(chain: readonly HcsLayer[]): [unknown, number] {
  const layers = chain.map(({ guid, path }) => ({ guid: [...guid], flags: 0, path }))
  return [layers.length === 0 ? null : layers, layers.length]
}

import { corrupt } from '../fault.ts'
import {
  DEVICE_SLOT_SIZE,
  type DeviceSlot,
  decodeDevices,
  decodeSuperblock,
  type Superblock,
} from '../format/superblock.ts'
import { decodeTarNote, type TarPlace } from '../format/tar-note.ts'
import type { ByteRanges } from '../storage.ts'

/** 1,024 bytes and the largest block. */
const HEAD_BYTES = 1024 + 65_536

/** What the beginning of an image says. */
export interface Head {
  readonly superblock: Superblock
  readonly devices: readonly DeviceSlot[]
  readonly tar: TarPlace | undefined
}

/** @throws LayerError `ERR_CORRUPT_LAYER` */
export async function readHead(source: ByteRanges): Promise<Head> {
  const bytes = await source.read(0, HEAD_BYTES)
  const superblock = decodeSuperblock(bytes)
  const tar = decodeTarNote(bytes)
  if (tar && tar.position + tar.size > source.size) throw corrupt('it is shorter than its tar')
  const length = superblock.devices * DEVICE_SLOT_SIZE
  const table = await source.read(superblock.deviceTable * DEVICE_SLOT_SIZE, length)
  if (table.length < length) throw corrupt('its table of devices lies beyond its end')
  return { superblock, devices: length > 0 ? decodeDevices(table) : [], tar }
}

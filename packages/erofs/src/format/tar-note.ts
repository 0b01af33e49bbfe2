/** EROFS leaves the first 1,024 bytes of an image to others; here they say where the tar is. */
const NOTE = /^varve erofs 1: tar of ([0-9]{1,16}) bytes at ([0-9]{1,16})\n/
const NOTE_BYTES = 128

/** Where in an image the tar is that it was made from, in bytes. */
export interface TarPlace {
  readonly position: number
  readonly size: number
}

/** The first bytes of an image. */
export function encodeTarNote({ position, size }: TarPlace): Uint8Array {
  return new TextEncoder().encode(`varve erofs 1: tar of ${size} bytes at ${position}\n`)
}

/** Undefined for an image that holds no tar. */
export function decodeTarNote(image: Uint8Array): TarPlace | undefined {
  const found = NOTE.exec(new TextDecoder('latin1').decode(image.subarray(0, NOTE_BYTES)))
  const [size, position] = [Number(found?.[1]), Number(found?.[2])]
  return Number.isSafeInteger(size) && Number.isSafeInteger(position)
    ? { position, size }
    : undefined
}

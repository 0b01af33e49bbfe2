/** CRC-32C (Castagnoli), reflected; the polynomial of iSCSI (RFC 3720, 12.1). */
const POLYNOMIAL = 0x82f63b78

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0)
  return value
})

/** Goes on with a sum, without the inversions that are usual before and after. */
export function crc32c(bytes: Uint8Array, sum: number): number {
  let value = sum
  for (let i = 0; i < bytes.length; i++) {
    value = (value >>> 8) ^ (TABLE[(value ^ (bytes[i] as number)) & 0xff] as number)
  }
  return value >>> 0
}

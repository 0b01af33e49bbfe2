/** Bounds on what a layer may ask for; beyond them it is refused with `ERR_LIMIT_EXCEEDED`. */
export interface ErofsLimits {
  /** Entries of the tar. Default 4,194,304. */
  readonly entries?: number
  /** Names in the image, directories that no entry lists included. Default 8,388,608. */
  readonly files?: number
  /** Bytes of a name or link target. Default 4,095, as in Linux. */
  readonly pathLength?: number
  /** Bytes of all extended attributes of one entry. Default 128 KiB; EROFS has room for 256. */
  readonly xattrBytes?: number
  /** Bytes of one file, its holes included. Default 16 TiB, as on ext4. */
  readonly fileBytes?: number
}

export const DEFAULT_LIMITS: Required<ErofsLimits> = {
  entries: 2 ** 22,
  files: 2 ** 23,
  pathLength: 4095,
  xattrBytes: 2 ** 17,
  fileBytes: 2 ** 44,
}

/**
 * PAX records that keep what only Windows knows: go-winio's `backuptar`, and libarchive's time of
 * creation.
 */
export const RECORD = {
  creationTime: 'LIBARCHIVE.creationtime',
  attributes: 'MSWINDOWS.fileattr',
  /** A self-relative security descriptor in base64. */
  security: 'MSWINDOWS.rawsd',
  /** The same as SDDL, in tars of before 2016. */
  securityText: 'MSWINDOWS.sd',
  mountPoint: 'MSWINDOWS.mountpoint',
  /** Prefix; the name of the extended attribute follows. */
  extendedAttribute: 'MSWINDOWS.xattr.',
} as const

/** How tars and backup streams are turned into each other. */
export interface BackupTarOptions {
  /**
   * Do exactly what go-winio does, losses and refusals included: extended attributes and security
   * that come after the data, alternate streams of directories and before the data, sparse files
   * from a source that can be read twice, links without a name to show. Default false.
   */
  readonly goCompatible?: boolean
  /**
   * A FILETIME of 0 means “none” on Windows. Go makes the year 2185 of it, and of a missing time
   * the year 1754; with this it is left out of the tar, and 0 again when read. Default false.
   */
  readonly strictTimes?: boolean
}

/**
 * Project quotas of Linux: what is in a directory counts towards a project, whose space is limited.
 *
 * The calls follow the rules of `native-calls.ts`. A file system without projects fails with
 * `ENOTTY` or `ENOTSUP`, one without their quota with `ENOSYS`, `ESRCH` or `EINVAL`, and what is
 * on no block device with `ENODEV` or `ENOTBLK`.
 *
 * @module
 */

/** What of a file system's project quota is turned on. */
export interface QuotaState {
  /** Space is counted. */
  readonly accounting: boolean
  /** More than the limit is refused. */
  readonly enforced: boolean
}

/** What a project has. Bytes, in units of 512. */
export interface ProjectUse {
  /** 0 if there is none. */
  readonly limit: number
  readonly used: number
  /** How many files and directories. */
  readonly inodes: number
}

/** See the module's text. */
export interface QuotaCalls {
  /** The project of an open file or directory; 0 is none. */
  projectOf(fd: number): number
  /** Puts an open directory, and whatever is made in it from now on, into a project. */
  setProject(fd: number, project: number): void
  /** @param device path of the block device that the file system is on */
  quotaState(device: Uint8Array): QuotaState
  projectUse(device: Uint8Array, project: number): ProjectUse
  /** @param limit in bytes; 0 for none */
  setProjectLimit(device: Uint8Array, project: number, limit: number): void
}

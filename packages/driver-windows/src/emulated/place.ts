/** Where a file's parts are. */
export interface Place {
  readonly data: string
  /** Its sidecar. */
  readonly meta: string
  /** Its sidecar, or the folder of all those of a directory. */
  readonly metaTop: string
}

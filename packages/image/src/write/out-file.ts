/** A file of an archive or layout being written. It is read before the next one is asked for. */
export interface OutFile {
  /** `/`-separated, relative. */
  readonly name: string
  /** In bytes; `open` gives exactly as many. */
  readonly size: number
  open(): AsyncIterable<Uint8Array>
}

/** A small file out of memory. */
export function outBytes(name: string, bytes: Uint8Array): OutFile {
  return {
    name,
    size: bytes.length,
    async *open() {
      yield bytes
    },
  }
}

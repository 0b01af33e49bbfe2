/** Who is measured as a keeper of layers: each takes one in, gives it back, and deletes it. */
import type { Command } from '../harness/measure.ts'
import type { BenchLayer, Compression } from '../inputs/layers.ts'
import type { WrappedLayer } from '../inputs/wrap.ts'

/** A layer in one compression, in every form that a contestant may want. */
export interface Input {
  readonly layer: BenchLayer
  readonly compression: Compression
  readonly file: string
  readonly diffID: string
  readonly wrapped: WrappedLayer
}

/** One tool. Disposing of it leaves nothing. */
export interface Contestant extends AsyncDisposable {
  readonly name: string
  /** What it gives back is the tar that it took, byte for byte. */
  readonly exact: boolean
  /** Whether it reads this compression at all. */
  takes(compression: Compression): boolean
  /** Makes ready, unmeasured, and says what to measure. */
  register(input: Input): Promise<Command>
  /** What to measure to get the registered layer back as an uncompressed tar in `to`. */
  export?(input: Input, to: string): Command
  /** What to measure to delete the registered layer. */
  remove?(input: Input): Command
}

/** Go's archive reader in these versions knows no zstd. */
export const withoutZstd = (compression: Compression): boolean => compression !== 'zst'

/** Bytes that are pushed in on one side and read on the other, one chunk at a time. */
export interface Pushed extends AsyncIterable<Uint8Array> {
  /** Resolves when the bytes have been used. @throws what `fail` was told */
  push(bytes: Uint8Array): Promise<void>
  end(): Promise<void>
  /** The reader's side has failed. */
  fail(error: unknown): void
}

/** A channel without a buffer. */
export function createPushed(): Pushed {
  let offered: { bytes: Uint8Array | undefined; used: () => void } | undefined
  let wake: (() => void) | undefined
  let failure: { error: unknown } | undefined
  const offer = async (bytes: Uint8Array | undefined): Promise<void> => {
    if (failure) throw failure.error
    const used = Promise.withResolvers<void>()
    offered = { bytes, used: used.resolve }
    wake?.()
    await used.promise
    if (failure) throw (failure as { error: unknown }).error
  }
  return {
    push: offer,
    end: () => offer(undefined),
    fail(error) {
      failure = { error }
      offered?.used()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (offered === undefined) {
          const waiting = Promise.withResolvers<void>()
          wake = waiting.resolve
          await waiting.promise
        }
        const { bytes, used } = offered
        if (bytes === undefined) {
          offered = undefined
          used()
          return
        }
        yield bytes
        offered = undefined
        used()
      }
    },
  }
}

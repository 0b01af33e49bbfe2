import { rename } from 'node:fs/promises'
import { decompress } from '@varve/archive'
import {
  type AppliedDiff,
  asCacheID,
  type ByteSource,
  type CallOptions,
  callOptions,
  cleanUp,
} from '@varve/core'
import type { GraphContext } from '../context.ts'
import { RecordFile, readRecord } from '../disk/record-file.ts'

/** Where a layer goes. */
interface Place {
  readonly id: string
  readonly parent: string | undefined
  /** Where its record is written. */
  readonly record: string
}

/** Whether layers get a record: only 1.9 knows them, and not with a driver that needs none. */
export function keepsRecords({ version, driver }: GraphContext): boolean {
  return (
    version === '1.9' && !driver.capabilities.reproducesExactDiffs && driver.files !== undefined
  )
}

/**
 * Fills a driver's layer with a tar, also compressed.
 *
 * @returns the layer's size as the driver counts it
 */
export async function applyLayer(
  ctx: GraphContext,
  layer: ByteSource,
  { id, parent, record }: Place,
  options: CallOptions,
): Promise<number> {
  const { codec, driver } = ctx
  const { bytes: tar } = await decompress(layer, options.signal ? { signal: options.signal } : {})
  const sink = keepsRecords(ctx) ? new RecordFile(record) : undefined
  const bytes = sink ? codec.disassemble(tar, sink, callOptions(options)) : tar
  try {
    const under = parent === undefined ? undefined : asCacheID(parent)
    await using applied = await driver.applyDiff(
      asCacheID(id),
      under,
      withoutReturn(bytes),
      callOptions(options),
    )
    // What stands behind the end of the archive belongs to its bytes too.
    while (!(await bytes.next()).done);
    await sink?.close()
    if (sink) await keepDisplaced(ctx, record, applied)
    return applied.size
  } catch (error) {
    throw await cleanUp(
      error,
      () => bytes.return(undefined),
      () => sink?.abandon(),
    )
  }
}

/** Payloads that the layer no longer holds go into the record itself. */
async function keepDisplaced(
  { codec }: GraphContext,
  record: string,
  { displaced }: AppliedDiff,
): Promise<void> {
  if (displaced.length === 0) return
  const rewritten = `${record}.new`
  const sink = new RecordFile(rewritten)
  try {
    const old = readRecord(record, 'Cannot rewrite the tar-split record')
    for await (const chunk of codec.inline(old, displaced)) await sink.write(chunk)
    await sink.close()
    await rename(rewritten, record)
  } finally {
    await sink.abandon()
  }
}

/** A view of an iterator whose early end does not end the iterator itself. */
function withoutReturn(bytes: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) }
}

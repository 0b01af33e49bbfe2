import { LayerError, wrapError } from '../errors.ts'
import type { MountRecord } from '../metadata.ts'
import type { CallOptions } from '../streams.ts'
import type { StoreContext } from './context.ts'
import { notRetained, type ReferenceToken } from './references.ts'
import { beneath, inUse, mountKey } from './rw-record.ts'

/** See `RWLayer.reset`. */
export async function reset(
  ctx: StoreContext,
  record: MountRecord,
  token: ReferenceToken,
  options: CallOptions,
): Promise<void> {
  const { name, mountID } = record
  const { driver, metadata, mountRefs, mountUses } = ctx
  const key = mountKey(record)
  const attempt = `Cannot reset ${name}`
  if (!driver.reset) {
    throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: the ${driver.name} driver cannot`)
  }
  const parent = await beneath(ctx, record)
  await ctx.names.run(name, async () => {
    if (!mountRefs.has(key, token)) throw notRetained(attempt, name)
    if (mountUses.count(key) > 0) throw inUse(attempt, 'it is mounted, or being read or changed')
    const elsewhere = await metadata.lock('exclusive', () => metadata.heldElsewhere(key))
    if (elsewhere) throw inUse(attempt, 'another process uses it')
    try {
      await driver.reset?.(mountID, parent, options)
      await driver.sync([mountID])
    } catch (error) {
      throw wrapError(error, attempt, { name })
    }
  })
}

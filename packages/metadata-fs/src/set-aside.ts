import { join } from 'node:path'
import { asChainID, type Damage, hexOf, LayerError } from '@varve/core'
import { attempting, type Context } from './context.ts'
import { isThere } from './files.ts'
import { quarantine } from './quarantine.ts'

/** Puts a damaged layer or mount into quarantine, so that its name is free again. */
export async function setAside(
  ctx: Context,
  { kind, subject }: Pick<Damage, 'kind' | 'subject'>,
): Promise<void> {
  const attempt = `Cannot set ${kind} ${subject} aside`
  const { layout, marks, revision, sys, lock } = ctx
  ctx.writer(attempt)
  lock.assertHeld('exclusive', attempt)
  await attempting(attempt, async () => {
    const name = kind === 'layer' ? hexOf(asChainID(subject)) : asPathComponent(subject)
    const parent = kind === 'layer' ? layout.layers : layout.mounts
    const from = join(parent, name)
    if (!isThere(from)) return
    revision.bump()
    await quarantine(sys, layout, kind, from, name)
    await sys.syncDirectory(parent)
    if (kind === 'layer') marks.removeUnlessListed(name)
  })
}

/** Any name that a directory can hold may have to be set aside. */
function asPathComponent(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name
  throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use ${JSON.stringify(name)} as a name`)
}

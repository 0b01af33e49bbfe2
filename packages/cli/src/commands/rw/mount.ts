import type { Context } from '../../context.ts'
import { usageError } from '../../failure.ts'
import type { OpenedStore } from '../../store/open.ts'
import { allRW, getRW, isRW, resolveBase } from '../../store/rw-layers.ts'
import type { Verb } from '../../verb.ts'
import { runWith } from './run-with.ts'

interface Options {
  readonly readOnly?: boolean
  readonly keep?: boolean
}

/** `varve mount NAME`: its files at a path. */
export const mount: Verb = (parent, app) => {
  parent
    .command('mount')
    .description(
      'mount a read-write layer and print the path; without a name, list what is mounted',
    )
    .argument('[name]', 'a read-write layer; with a command also an image or ChainID, to look at')
    .argument('[command...]', 'after "--": run this with VARVE_MOUNT set, then unmount')
    .option('-r, --read-only', 'mount so that nothing can be changed')
    .option('--keep', 'with a command: leave it mounted afterwards')
    .addHelpText(
      'after',
      `
It stays mounted when varve ends, until varve umount was called as often.

  varve create --name work alpine
  cp -r site "$(varve mount work)/srv"
  varve umount work
  varve mount work -- sh -c 'ls "$VARVE_MOUNT"'`,
    )
    .action(
      app.run(
        async (
          context,
          name: string | undefined,
          command: readonly string[],
          options: Options,
        ): Promise<number | undefined> => {
          const opened = await context.open()
          if (name === undefined) return await list(context, opened)
          if (command.length === 0) return await keep(context, opened, name, options)
          return await during(context, opened, name, command, options)
        },
      ),
    )
}

async function list(context: Context, { store }: OpenedStore): Promise<undefined> {
  for (const { name } of await allRW(store)) {
    await using layer = await store.getRW(name)
    for (const kept of await layer.kept()) {
      if (context.options.json) await context.out.json({ name, ...kept })
      else await context.out.line(`${name}  ${kept.path}${kept.readOnly ? '  (read-only)' : ''}`)
    }
  }
}

async function keep(
  context: Context,
  { store }: OpenedStore,
  name: string,
  { readOnly = false }: Options,
): Promise<undefined> {
  await using layer = await getRW(store, name)
  const { path } = await layer.mount({ readOnly, keep: true, signal: context.signal })
  if (context.options.json) await context.out.json({ name, path, readOnly })
  else await context.out.line(path)
}

/** Mounted for as long as a command runs. */
async function during(
  context: Context,
  opened: OpenedStore,
  name: string,
  command: readonly string[],
  { readOnly = false, keep = false }: Options,
): Promise<number> {
  const { store } = opened
  if (await isRW(store, name)) {
    await using layer = await getRW(store, name)
    await using mount = await layer.mount({ readOnly, keep, signal: context.signal })
    return await runWith(mount.path, command, context.signal)
  }
  if (keep) {
    throw usageError(`${name} is no read-write layer, so it cannot be kept mounted`, 'see varve ps')
  }
  const { chainID } = await resolveBase(opened, name)
  if (chainID === undefined) throw usageError(`${name} has no files to mount`)
  await using layer = await store.get(chainID)
  await using mount = await layer.mount({ signal: context.signal })
  return await runWith(mount.path, command, context.signal)
}

import { resolve } from 'node:path'
import { LayerError } from '@varve/core'
import { idMapOf, thisUser } from '../rootless/id-map.ts'
import { runInUserNamespace } from '../rootless/user-namespace.ts'
import type { Verb } from '../verb.ts'

interface Options {
  readonly singleId?: boolean
}

/** `varve unshare [-- COMMAND…]`: a command as root of a user namespace, where overlay works. */
export const unshare: Verb = (parent, app) => {
  parent
    .command('unshare')
    .description('run a command as root of a user namespace of its own')
    .argument('[command...]', 'after --; default: your shell')
    .option('--single-id', 'map your own user and group only, as without /etc/subuid')
    .addHelpText(
      'after',
      `
There an ordinary user may mount: varve unshare -- varve --driver overlay2 …
What is mounted in there is seen in there only. Your own user is root there; others are
those that /etc/subuid and /etc/subgid give you (needs newuidmap and newgidmap), so that
owners of files are kept. The store is the same as outside.
Exit codes are those of the command, 128 + N if signal N ended it.`,
    )
    .action(
      app.run(async (context, command: readonly string[], options: Options) => {
        if (process.platform !== 'linux') {
          throw new LayerError(
            'ERR_NOT_SUPPORTED',
            'Cannot enter a user namespace: only Linux has them',
            { hint: 'Use the vfs driver, which needs none' },
          )
        }
        if (process.geteuid?.() === 0) {
          throw new LayerError('ERR_NOT_SUPPORTED', 'Cannot enter a user namespace: you are root', {
            hint: 'Run the command without varve unshare: root may mount already',
          })
        }
        const user = thisUser()
        const map = await idMapOf(options.singleId ? { ...user, etc: undefined } : user)
        context.releaseSignals()
        const { env } = process
        return await runInUserNamespace(command.length > 0 ? command : [env.SHELL ?? 'sh'], map, {
          ...env,
          // Root's own default would be another one.
          VARVE_ROOT: resolve(context.options.root),
        })
      }),
    )
}

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import process from 'node:process'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { LayerError } from '@varve/core'
import { type IdMap, type IdRange, mapWords } from './id-map.ts'
import { endLeftovers, namespaceOf } from './leftovers.ts'

/**
 * Says that it is there, waits until its ids are mapped, and becomes the command; if whoever started
 * it is gone by then, it ends.
 */
const WAIT = 'echo >&3; read -r go <&4 || exit 1; exec 3>&- 4<&-; exec "$@"'

/** What a command without a reason of its own to end is told to do so by. */
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const
/** A terminal sends these to all of its foreground, so also to the command. */
const BY_TERMINAL = ['SIGINT', 'SIGQUIT'] as const

/**
 * Runs a command as root of a user namespace of its own, with a mount namespace of its own, on the
 * standard streams of this process.
 *
 * A process with several threads, as every JavaScript runtime is, may not enter a user namespace.
 * So a small one does, unshare(1); this one maps its ids from outside, as podman and buildah do, and
 * waits. Mounts made in there are seen in there only, and gone with the last process.
 *
 * @returns its exit code, 128 + N if signal N ended it
 * @throws LayerError `ERR_NOT_SUPPORTED` if the system lets nobody in; `ERR_PERMISSION` if it does not
 *   let this user have these ids
 */
export async function runInUserNamespace(
  command: readonly string[],
  map: IdMap,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const child = spawn(
    'unshare',
    ['--user', '--mount', '--propagation', 'slave', 'sh', '-c', WAIT, 'sh', ...command],
    { stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'], env: { ...env } },
  )
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  ended.catch(() => {})
  const forwarded = forwardSignals(child)
  try {
    await entered(child)
    const namespace = await namespaceOf(child.pid as number)
    try {
      await mapIds(child.pid as number, map)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    const go = child.stdio[4] as Writable
    // If the command's process is gone, its exit tells.
    go.on('error', () => {})
    go.end('\n')
    const [code, signal] = await ended
    await endLeftovers(namespace)
    return code ?? 128 + (signal ? constants.signals[signal] : 0)
  } finally {
    forwarded[Symbol.dispose]()
  }
}

/** Resolves when it is in its namespaces. */
async function entered(child: ChildProcess): Promise<void> {
  const ready = child.stdio[3] as Readable
  const said = await new Promise<boolean>((resolve, reject) => {
    child.once('error', reject)
    ready.once('data', () => resolve(true))
    ready.once('end', () => resolve(false))
  }).catch((error) => {
    throw refused(`unshare(1) cannot be run: ${(error as Error).message}`, error, {
      hint: 'Install util-linux',
    })
  })
  // It has said why.
  if (!said) throw refused('the system does not let you')
}

function refused(why: string, cause?: unknown, more: { hint?: string } = {}): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot enter a user namespace: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint:
      more.hint ??
      'See /proc/sys/user/max_user_namespaces, kernel.unprivileged_userns_clone and ' +
        'kernel.apparmor_restrict_unprivileged_userns, or use the vfs driver, which needs none',
  })
}

async function mapIds(pid: number, { uids, gids, why }: IdMap): Promise<void> {
  if (why === undefined) {
    await runMapper('newuidmap', pid, uids)
    await runMapper('newgidmap', pid, gids)
    return
  }
  try {
    // user_namespaces(7): who may not set groups may map his own, without any program's help.
    await writeFile(`/proc/${pid}/uid_map`, mapWords(uids).join(' '))
    await writeFile(`/proc/${pid}/setgroups`, 'deny')
    await writeFile(`/proc/${pid}/gid_map`, mapWords(gids).join(' '))
  } catch (error) {
    throw refused(`your id cannot be mapped: ${(error as Error).message}`, error)
  }
}

async function runMapper(program: string, pid: number, ranges: readonly IdRange[]): Promise<void> {
  try {
    await promisify(execFile)(program, [String(pid), ...mapWords(ranges)])
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new LayerError(
      'ERR_PERMISSION',
      `Cannot enter a user namespace: ${stderr.trim() || message}`,
      {
        cause: error,
        data: { program },
        hint: `See /etc/subuid and /etc/subgid, and that ${program} may do its work (setuid root); or take --single-id`,
      },
    )
  }
}

/** What this process is sent is meant for the command. */
function forwardSignals(child: ChildProcess): Disposable {
  const handlers = new Map<NodeJS.Signals, () => void>()
  const forward = (signal: NodeJS.Signals) => {
    // Not `child.kill`: Deno would say then that the signal ended it, whatever the command did.
    if (child.pid !== undefined && child.exitCode === null) process.kill(child.pid, signal)
  }
  for (const signal of FORWARDED) handlers.set(signal, () => forward(signal))
  for (const signal of BY_TERMINAL) {
    // Without a handler it would end this process, and nobody would wait for the command.
    handlers.set(signal, process.stdin.isTTY ? () => {} : () => forward(signal))
  }
  for (const [signal, handler] of handlers) process.on(signal, handler)
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) process.off(signal, handler)
    },
  }
}

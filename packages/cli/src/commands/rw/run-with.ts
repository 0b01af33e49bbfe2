import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { LayerError } from '@varve/core'

/**
 * Runs a command with `VARVE_MOUNT` set, and passes an interruption on to it.
 *
 * @returns its exit code; 128 and its number for a signal, as shells have it
 * @throws LayerError `ERR_IO` if it cannot be started
 */
export async function runWith(
  mount: string,
  [program = '', ...args]: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const child = spawn(program, args, {
    stdio: 'inherit',
    env: { ...process.env, VARVE_MOUNT: mount },
  })
  const interrupt = () => child.kill('SIGTERM')
  signal.addEventListener('abort', interrupt)
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', (cause) => {
        reject(
          new LayerError('ERR_IO', `Cannot run ${program}: ${cause.message}`, {
            cause,
            hint: 'Write the command after "--", as you would in a shell',
          }),
        )
      })
      child.on('close', (code, name) => {
        resolve(code ?? 128 + (name === null ? 0 : constants.signals[name]))
      })
    })
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}

import { type ExecFileOptions, execFile } from 'node:child_process'

/** What {@link run} takes beside the command. */
export interface RunOptions extends Pick<ExecFileOptions, 'cwd' | 'env'> {
  /** Exit statuses that are no failure. */
  readonly allow?: readonly number[]
}

/**
 * Runs a program and gives what it wrote to stdout; fails with what it wrote to stderr.
 *
 * @param command the program's name or path
 */
export function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { allow = [], ...rest } = options
  return new Promise((resolve, reject) => {
    execFile(command, args, { ...rest, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (error && !(typeof error.code === 'number' && allow.includes(error.code))) {
        const why = [stderr.trim(), stdout.trim().slice(0, 4000)].filter((text) => text !== '')
        const said = why.join('\n') || error.message
        reject(new Error(`${command} ${args.join(' ')}: ${said}`, { cause: error }))
      } else resolve(stdout)
    })
  })
}

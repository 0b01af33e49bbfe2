import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from './run.ts'

/** buildah with containers/storage of its own, whose overlay driver is another than Docker's. */
export interface Buildah extends AsyncDisposable {
  (...args: string[]): Promise<string>
  /** Runs `look` on the files of an image, which may change them, and commits them if asked. */
  during<T>(image: string, look: (root: string) => Promise<T>, commitTo?: string): Promise<T>
}

/**
 * It makes a name of an image's path, which may have no capitals: name images beside `dir`, by
 * relative paths.
 *
 * @param dir where its storage goes
 */
export function buildahIn(dir: string): Buildah {
  const places = ['--root', join(dir, 'root'), '--runroot', join(dir, 'run')]
  const call = (...args: string[]) =>
    run('buildah', [...places, '--storage-driver', 'overlay', ...args], { cwd: dirname(dir) })
  return Object.assign(call, {
    async during<T>(image: string, look: (root: string) => Promise<T>, commitTo?: string) {
      const container = (await call('from', '-q', image)).trim()
      const root = (await call('mount', container)).trim()
      const seen = await look(root)
      await call('umount', container)
      if (commitTo !== undefined) await call('commit', '-q', container, commitTo)
      await call('rm', container)
      return seen
    },
    async [Symbol.asyncDispose]() {
      // It leaves its storage mounted on itself.
      await run('umount', [join(dir, 'root/overlay')], { allow: [32] })
      await rm(dir, { recursive: true })
    },
  })
}

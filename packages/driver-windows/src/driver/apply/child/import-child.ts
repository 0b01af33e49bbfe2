import process from 'node:process'
import { type ByteSource, LayerError } from '@varve/core'
import { openWindows } from '@varve/sys'
import { Home } from '../../home.ts'
import { imitation } from '../../imitation.ts'
import { type Ports, Service } from '../../service.ts'
import { importIntoLayer } from '../import-into-layer.ts'
import { fromFrames } from './frames.ts'
import type { ImportAnswer, ImportJob, ServiceOfChild } from './job.ts'
import { sendError } from './sent-error.ts'

/**
 * What a process does that was started to import one layer: takes the job and the tar from its
 * standard input, works with privileges that no other work gets, says on its standard output how it
 * went, and ends.
 *
 * For programs whose script is not beside this package's own, as those in one file: they start
 * themselves again (see `importIn`), and call this instead of anything else.
 *
 * @example
 * ```ts
 * import { runImportChild } from '@varve/driver-windows'
 *
 * if (process.argv[2] === 'import-windows-layer') await runImportChild()
 * ```
 */
export async function runImportChild(): Promise<never> {
  const answer = await answerTo(process.stdin)
  const text = JSON.stringify(answer, (_key, value) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()))
  // The rest of the tar may never come.
  process.exit(0)
}

async function answerTo(input: ByteSource): Promise<ImportAnswer> {
  try {
    const { job, tar } = await fromFrames(input)
    return await work(job as ImportJob, tar)
  } catch (error) {
    return { failure: sendError(error) }
  }
}

async function work(job: ImportJob, tar: ByteSource): Promise<ImportAnswer> {
  const { id, chain, compat, asideDir } = job
  const ports = portsOf(job.service)
  const service = new Service(new Home(job.home), ports, 1, compat === 'current')
  const options = { asideDir }
  const { size, displaced } = await importIntoLayer(service, compat, id, chain, tar, options)
  return {
    size,
    displaced: displaced.map((file) => ({
      ...file,
      name: Buffer.from(file.name).toString('base64'),
    })),
  }
}

function portsOf(service: ServiceOfChild): Ports {
  if (service.kind === 'directories') return imitation(service)
  if (service.kind === 'windows') return openWindows(service.libraries)
  throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot import a layer: this is no job')
}

/** Every contestant takes a layer in, gives it back and deletes it. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../interop/run.ts'
import { type Entrant, rotated } from '../harness/entrants.ts'
import { tell } from '../harness/machine.ts'
import { type Command, measure } from '../harness/measure.ts'
import type { BenchOptions } from '../harness/options.ts'
import type { BenchLayer, Compression } from '../inputs/layers.ts'
import { hexDigest, wrap } from '../inputs/wrap.ts'
import { containersStorage } from './containers-storage.ts'
import type { Contestant, Input } from './contestant.ts'
import { docker } from './docker.ts'
import { tar, umoci } from './plain-tools.ts'
import type { Costs, Phase } from './report.ts'
import { varve } from './varve.ts'

const MEDIA_SUFFIX = { tar: 'tar', gz: 'tar+gzip', zst: 'tar+zstd' }

/** All that keep layers, varve with each of its drivers. @param scratch where their stores go */
export function keepers(scratch: string): Entrant<Contestant>[] {
  return [
    ...['erofs', 'overlay2', 'vfs'].map((driver) => ({
      name: `varve (${driver})`,
      make: () => varve(scratch, driver),
    })),
    { name: 'docker', programs: ['dockerd', 'docker'], make: () => docker(scratch) },
    { name: 'skopeo', programs: ['skopeo'], make: () => containersStorage(scratch) },
    { name: 'umoci', programs: ['umoci'], make: () => umoci(scratch) },
    { name: 'tar', make: () => tar(scratch) },
  ]
}

/** In turn, round by round; export and delete with the plain tar only, since they depend on no other. */
export async function compare(
  all: readonly Contestant[],
  layer: BenchLayer,
  compression: Compression,
  { scratch, rounds }: BenchOptions,
  costs: Costs,
): Promise<void> {
  const file = layer.files[compression]
  const diffID = `sha256:${await hexDigest(layer.files.tar)}`
  const image = join(scratch, 'image')
  await mkdir(image)
  const wrapped = await wrap(file, diffID, MEDIA_SUFFIX[compression], image)
  const input = { layer, compression, file, diffID, wrapped }
  for (let round = 0; round < rounds; round++) {
    for (const one of rotated(all, round)) {
      if (!one.takes(compression)) continue
      try {
        await takeInAndGiveBack(one, input, scratch, costs)
      } catch (error) {
        // What a peer cannot do is worth knowing, and the figures of the others are still good.
        if (one.exact) throw error
        tell(`${one.name} fails: ${(error as Error).message.slice(-1000)}`)
        costs.fails(layer, compression, one.name)
      }
    }
  }
  await rm(image, { recursive: true })
}

async function takeInAndGiveBack(
  one: Contestant,
  input: Input,
  scratch: string,
  costs: Costs,
): Promise<void> {
  const { layer, compression, diffID } = input
  const out = join(scratch, 'out.tar')
  const step = async (phase: Phase, command: Command) => {
    await run('sync', ['-f', scratch])
    costs.note(layer, compression, one.name, phase, await measure(command))
  }
  await step('register', await one.register(input))
  if (compression === 'tar' && one.export) {
    await rm(out, { force: true })
    await step('export', one.export(input, out))
    if (one.exact && `sha256:${await hexDigest(out)}` !== diffID) {
      throw new Error(`${one.name} did not give ${layer.name} back as it came`)
    }
    await rm(out)
  }
  if (one.remove) await step('delete', one.remove(input))
}

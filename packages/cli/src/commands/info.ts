import { whatIsPossible } from '../rootless/possible.ts'
import { driverNames } from '../store/drivers.ts'
import type { Verb } from '../verb.ts'
import { version } from '../version.ts'

/** `varve info`: what is used, and what it can do here. */
export const info: Verb = (parent, app) => {
  parent
    .command('info')
    .description('show the store and what it can do here')
    .action(
      app.run(async (context) => {
        const { store, images, root, driver, kind, readOnly } = await context.open()
        let layers = 0
        for await (const _layer of store.layers()) layers++
        let readWriteLayers = 0
        for await (const _layer of store.rwLayers()) readWriteLayers++
        const { keeps, maxDepth, mount, reproducesExactDiffs } = store.driver.capabilities
        const facts = {
          version,
          runtime: runtimeName(),
          root,
          kind: kind === 'docker' ? 'Docker data root' : 'varve store',
          readOnly,
          driver,
          drivers: driverNames,
          images: (await images.list()).length,
          layers,
          readWriteLayers,
          mounting: await whatIsPossible(),
          capabilities: { keeps, maxDepth, mount, reproducesExactDiffs },
          status: await store.driver.status(),
        }
        if (context.options.json) await context.out.json(facts)
        else for (const line of factLines(facts)) await context.out.line(line)
        return undefined
      }),
    )
}

function runtimeName(): string {
  const { bun, deno, node } = process.versions as Record<string, string | undefined>
  if (bun) return `Bun ${bun}`
  return deno ? `Deno ${deno}` : `Node ${node}`
}

const WIDTH = 25

function factLines(facts: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(facts).flatMap(([key, value]) => {
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (isGroup) return factLines(value as Record<string, unknown>)
    // `maxDepth` here, `Backing Filesystem` from a driver.
    const label = key.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
    return [`${`${label}:`.padEnd(WIDTH)} ${factText(value)}`]
  })
}

function factText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return Array.isArray(value) ? value.join(', ') : String(value)
}

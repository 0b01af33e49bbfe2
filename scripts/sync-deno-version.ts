/** Gives each deno.json the version that changesets wrote to the package.json beside it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

for (const name of readdirSync('packages')) {
  const { version } = JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8'))
  const file = `packages/${name}/deno.json`
  const text = readFileSync(file, 'utf8')
  const synced = text.replace(/("version": )"[^"]*"/, `$1"${version}"`)
  if (synced !== text) writeFileSync(file, synced)
}

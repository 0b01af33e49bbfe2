/**
 * Fails unless packages import each other only the way that ARCHITECTURE.md draws.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Package folder → the packages of ours that its `src` may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  sys: [],
  tar: ['core'],
  tarsplit: ['core', 'tar'],
  archive: ['core', 'tar', 'sys'],
  'metadata-fs': ['core', 'sys'],
  trees: ['core', 'sys'],
  'driver-vfs': ['core', 'archive', 'sys', 'trees'],
  overlayfs: ['core', 'archive', 'sys', 'trees'],
  'driver-overlay': ['core', 'archive', 'overlayfs', 'sys', 'trees'],
  erofs: ['core', 'tar'],
  'driver-erofs': ['core', 'archive', 'erofs', 'overlayfs', 'sys', 'trees'],
  'driver-windows': ['core', 'archive', 'sys', 'tar', 'trees'],
  graph: ['core', 'archive', 'image', 'tar', 'tarsplit', 'sys'],
  testkit: ['core', 'tar'],
  image: ['core', 'archive', 'sys'],
  cli: [
    'core',
    'tar',
    'tarsplit',
    'archive',
    'sys',
    'metadata-fs',
    'driver-vfs',
    'driver-windows',
    'driver-overlay',
    'driver-erofs',
    'erofs',
    'graph',
    'image',
  ],
}

/** Packages whose `src` runs in a browser, so that no `node:` module may be imported. */
const BROWSER = new Set(['tar', 'tarsplit', 'erofs'])
/** `core` reaches the system only through its contracts. */
const CORE_MAY_USE = new Set(['node:crypto', 'node:stream', 'node:diagnostics_channel'])

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(dir, name))
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/^\s*(\/?\*|\/\/).*$/gm, '')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((m) => m[1] ?? '')
}

const faults: string[] = []
for (const name of readdirSync('packages')) {
  const allowed = MAY_IMPORT[name]
  if (!allowed) {
    faults.push(`packages/${name}: not in the table of scripts/check-arrows.ts`)
    continue
  }
  const manifest = JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8'))
  for (const dep of Object.keys(manifest.dependencies ?? {})) {
    const ours = dep.match(/^@varve\/(.+)$/)?.[1]
    if (ours && !allowed.includes(ours)) faults.push(`packages/${name}: may not depend on ${dep}`)
  }
  for (const file of sourceFiles(`packages/${name}/src`)) {
    for (const target of importsOf(file)) {
      const ours = target.match(/^@varve\/([^/]+)/)?.[1]
      if (ours && !allowed.includes(ours)) faults.push(`${file}: may not import ${target}`)
      if (BROWSER.has(name) && target.startsWith('node:'))
        faults.push(`${file}: ${name} runs in a browser, so it may not import ${target}`)
      if (BROWSER.has(name) && target === '@varve/core' && !isTypeOnly(file, target))
        faults.push(`${file}: import values from @varve/core/errors, which needs no node:`)
      if (name === 'core' && target.startsWith('node:') && !CORE_MAY_USE.has(target))
        faults.push(`${file}: core may not import ${target}`)
      if (target === 'koffi' && name !== 'sys') faults.push(`${file}: only sys may use koffi`)
    }
  }
}

function isTypeOnly(file: string, target: string): boolean {
  const escaped = target.replaceAll('/', '\\/')
  const value = new RegExp(`import\\s+(?!type)[^;]*?from\\s*['"]${escaped}['"]`)
  return !value.test(readFileSync(file, 'utf8').replace(/^\s*(\/?\*|\/\/).*$/gm, ''))
}

if (faults.length > 0) {
  console.error(faults.join('\n'))
  process.exit(1)
}
console.log('Imports point the way that ARCHITECTURE.md draws.')

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { rootTest } from './support/tree.ts'

const NOBODY = 65_534

/** Runs as somebody who is not root, in a directory of his. */
function asNobody(script: string): { readonly status: number | null; readonly stderr: string } {
  const home = fs.mkdtempSync('/tmp/varve-nobody-')
  try {
    fs.chownSync(home, NOBODY, NOBODY)
    const file = join(import.meta.dirname, `.nobody-${process.pid}.ts`)
    fs.writeFileSync(file, script)
    try {
      const flags =
        process.versions.bun || 'Deno' in globalThis
          ? ['--conditions=@varve/source']
          : process.execArgv
      const run = 'Deno' in globalThis ? ['run', '-A'] : []
      const wanted = flags.some((flag) => flag.includes('@varve/source'))
        ? flags
        : ['--conditions=@varve/source']
      const { status, stderr, error } = spawnSync(
        process.execPath,
        [...run, ...wanted, file, home],
        {
          uid: NOBODY,
          gid: NOBODY,
          env: { PATH: process.env.PATH ?? '', HOME: home, DENO_DIR: process.env.DENO_DIR ?? '' },
          encoding: 'utf8',
        },
      )
      return { status, stderr: stderr || String(error ?? '') }
    } finally {
      fs.rmSync(file)
    }
  } finally {
    fs.rmSync(home, { recursive: true, force: true })
  }
}

const USUAL_IMAGE = `
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { applyLayer, openFiles, verifyTree, writeDiff } from '@varve/archive'
import { collect } from '@varve/core'
import { makeTar } from './support/make-tar.ts'

const root = process.argv.at(-1) + '/root'
const aside = process.argv.at(-1) + '/aside'
fs.mkdirSync(root)
fs.mkdirSync(aside)
const tar = makeTar(
  { name: './', type: '5', mode: 0o555, mtime: 1 },
  { name: 'usr/', type: '5', mode: 0o555, mtime: 2 },
  { name: 'usr/bin/', type: '5', mode: 0o500, mtime: 3 },
  { name: 'usr/bin/su', content: 'suid', mode: 0o4755 },
  { name: 'etc/shadow', content: 'secret', mode: 0o000, uid: 0, gid: 42 },
  { name: 'dev/null', type: '3', major: 1, minor: 3 },
  { name: 'dev/too', type: '1', link: 'dev/null' },
  { name: 'l', type: '2', link: '/etc/shadow', uid: 7 },
  { name: 'cap', content: 'x', pax: { 'SCHILY.xattr.security.capability': new Uint8Array(20) } },
)
`

describe('an ordinary user', () => {
  rootTest('applies, reads, verifies and changes a usual image (needs root)', () => {
    const result = asNobody(`${USUAL_IMAGE}
      const applied = await applyLayer(root, [tar], { asideDir: aside })
      assert.deepEqual(applied.displaced, [])
      assert.equal(applied.omitted.devices, 2)
      assert.equal(applied.omitted.xattrs, 1)
      assert.ok(applied.omitted.owners >= 6)
      const mode = (name) => fs.lstatSync(root + '/' + name).mode & 0o7777
      assert.equal(mode('usr'), 0o555)
      assert.equal(mode('usr/bin'), 0o500)
      assert.equal(fs.statSync(root).mode & 0o7777, 0o555)
      assert.equal(fs.statSync(root + '/usr').mtimeMs, 2000)
      assert.equal(mode('etc/shadow'), 0)
      assert.deepEqual(await Array.fromAsync(verifyTree(root, [tar])), [])
      const second = makeTar(
        { name: 'usr/bin/new', content: 'into a directory of mode 0500' },
        { name: 'usr/.wh.nothing' },
      )
      await applyLayer(root, [second])
      assert.equal(mode('usr/bin'), 0o500)
      assert.equal(mode('usr'), 0o555)
      {
        await using files = openFiles(root)
        const bytes = await collect(files.open(Buffer.from('etc/shadow'), 6), 100)
        assert.equal(Buffer.from(bytes).toString(), 'secret')
        assert.equal(mode('etc/shadow'), 0)
      }
      assert.equal(mode('usr/bin/su'), 0o4755)
      await applyLayer(root, [makeTar({ name: '.wh.usr' })])
      assert.ok(!fs.existsSync(root + '/usr'))
      const out = process.argv.at(-1) + '/out'
      fs.mkdirSync(out)
      await applyLayer(out, writeDiff(root))
      assert.equal(fs.readlinkSync(out + '/l'), '/etc/shadow')
    `)
    expect(result).toEqual({ status: 0, stderr: '' })
  })

  rootTest('is told when owners are asked for that he cannot keep (needs root)', () => {
    const result = asNobody(`${USUAL_IMAGE}
      const attempt = applyLayer(root, [makeTar({ name: 'f', uid: 1 })], { keepOwner: true })
      await assert.rejects(attempt, { code: 'ERR_PERMISSION' })
    `)
    expect(result).toEqual({ status: 0, stderr: '' })
  })
})

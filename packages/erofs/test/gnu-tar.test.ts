import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryFile, openErofs, writeErofs } from '@varve/erofs'
import { tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { canMount, describeImage, describeTree, mountImages, place } from './describe.ts'
import { manyNames } from './many-names.ts'
import { plainTree } from './random-layers.ts'

const sh = (script: string, ...args: string[]) => {
  execFileSync('sh', ['-ec', script, 'sh', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
}
const UNPACK = 'cd "$2"; tar --xattrs --xattrs-include="*" -xpf "$1"'

test.skipIf(!canMount)(
  'a mounted tar is what GNU tar unpacks, to the nanosecond (needs root)',
  async () => {
    await fc.assert(
      fc.asyncProperty(plainTree, async (entries) => {
        using dir = place()
        const tar = tarOf(entries)
        const [file, root] = [memoryFile(), join(dir.path, 'root')]
        await writeErofs(file, [tar])
        mkdirSync(root)
        writeFileSync(`${root}.tar`, tar)
        sh(UNPACK, `${root}.tar`, root)
        const unpacked = describeTree(root)
        expect(describeTree(mountImages(dir.path, [file.bytes]))).toEqual(unpacked)
        expect(await describeImage(await openErofs(file))).toEqual(unpacked)
      }),
      { numRuns: runs(10) },
    )
  },
)

const MAKE = `cd "$1"; mkdir t; cd t
truncate -s 3M holes; printf abc | dd of=holes bs=1 seek=1234567 conv=notrunc status=none
truncate -s 100M large; printf end | dd of=large bs=1M seek=90 conv=notrunc status=none
truncate -s 5M empty; yes | head -c 100000 > dense
head -c 8192 /dev/urandom > aligned; truncate -s 1M aligned
touch -d @1.999999999 dense; ln dense same; setfattr -n user.k -v v holes`

for (const format of ['gnu', 'pax']) {
  test.skipIf(!canMount)(
    `sparse files and links as GNU tar writes them in format ${format} (needs root)`,
    async () => {
      using dir = place()
      sh(MAKE, dir.path)
      const tar = join(dir.path, 't.tar')
      sh(
        'cd "$1/t"; tar --format="$2" $3 -Scf "$1/t.tar" .',
        dir.path,
        format,
        format === 'pax' ? '--xattrs' : '',
      )
      const file = memoryFile()
      await writeErofs(file, [readFileSync(tar)])
      mkdirSync(join(dir.path, 'out'))
      sh(UNPACK, tar, join(dir.path, 'out'))
      const mounted = mountImages(dir.path, [file.bytes])
      sh('diff -r "$1/out" "$2"', dir.path, mounted)
      const image = await openErofs(file)
      for (const name of ['holes', 'empty', 'dense', 'aligned']) {
        const parts = await Array.fromAsync(image.read(name))
        const wanted = readFileSync(join(dir.path, 'out', name))
        expect(Buffer.compare(Buffer.concat(parts), wanted)).toBe(0)
      }
      expect(file.size).toBeLessThan(2 ** 24)
    },
  )
}

test.skipIf(!canMount)(
  'the kernel finds and lists every one of 100,000 names in one directory (needs root)',
  async () => {
    using dir = place()
    const { names, tar } = manyNames(100_000)
    const file = memoryFile()
    await writeErofs(file, [tar])
    const mounted = mountImages(dir.path, [file.bytes])
    expect(readdirSync(join(mounted, 'd')).length).toBe(names.length)
    for (let i = 0; i < names.length; i += 97) {
      expect(existsSync(join(mounted, names[i] ?? ''))).toBe(true)
      expect(existsSync(join(mounted, `${names[i]}x`))).toBe(false)
    }
  },
)

/** The root that is migrated: a tree of images, and what is wrong with others. */
import { type FixtureImage, writeGraphRoot, writeRepositories } from './graph-root.ts'
import { id } from './places.ts'

export const base: FixtureImage = {
  id: id('a1'),
  layer: [
    { name: 'bin/' },
    { name: 'bin/sh', data: 'a shell', mode: 0o755 },
    { name: 'etc/' },
    { name: 'etc/motd', data: 'hello\n' },
  ],
}
/** A step that changed no file. */
export const step: FixtureImage = { id: id('a2'), parent: base.id, layer: [] }
export const app: FixtureImage = {
  id: id('a3'),
  parent: step.id,
  layer: [{ name: 'etc/' }, { name: 'etc/.wh.motd' }, { name: 'app', data: 'x'.repeat(3000) }],
}
export const other: FixtureImage = {
  id: id('b1'),
  parent: base.id,
  layer: [{ name: 'other', data: 'other' }],
  json: {
    id: undefined,
    parent: undefined,
    parent_id: `sha256:${base.id}`,
    docker_version: '1.9.1',
  },
}
/** Of a time when nobody kept records, and Docker wrote other documents. */
export const old: FixtureImage = {
  id: id('c1'),
  layer: [{ name: 'old', data: 'old' }],
  json: { docker_version: '1.5.0', config: { Cmd: ['old'], Memory: 0 }, Size: 3 },
  without: ['tar-data.json.gz', 'layersize'],
}
export const sound: readonly FixtureImage[] = [base, step, app, other, old]

export function writeOldRoot(root: string, more: readonly FixtureImage[] = []): void {
  writeGraphRoot(root, '1.9', [...sound, ...more])
  writeRepositories(root, {
    app: { latest: app.id, [`sha256:${'d'.repeat(64)}`]: app.id },
    'localhost:5000/base': { '1': base.id },
  })
}

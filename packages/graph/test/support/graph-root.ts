/**
 * Docker's data root up to 1.9 with the vfs driver, written from the description of its format
 * alone: no line of the package that reads it has a part in this.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type TarEntry, tarOf } from '@varve/testkit'

export interface FixtureImage {
  readonly id: string
  readonly parent?: string
  readonly layer: readonly TarEntry[]
  /** More members of the document, or others; undefined leaves one out. */
  readonly json?: Readonly<Record<string, unknown>>
  /** The `json` as it is, whatever it is. */
  readonly rawJSON?: string
  /** Files that are not written. */
  readonly without?: readonly string[]
  /** Files that are written besides. */
  readonly files?: Readonly<Record<string, string>>
}

const write = (path: string, data: string | Uint8Array) => {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, data, { mode: 0o600 })
}

/** A layer's tar. */
export const tarOfImage = (image: FixtureImage): Uint8Array => tarOf(image.layer)

/** Writes images, parents first, into `<root>/graph` and `<root>/vfs`. */
export function writeGraphRoot(
  root: string,
  version: '1.7' | '1.9',
  images: readonly FixtureImage[],
): void {
  mkdirSync(join(root, 'graph', '_tmp'), { recursive: true, mode: 0o700 })
  for (const image of images) {
    const tar = tarOfImage(image)
    unpack(root, image, tar)
    const files: Record<string, string | Uint8Array> = {
      json: image.rawJSON ?? documentOf(image) + (version === '1.7' ? '\n' : ''),
      layersize: String(image.layer.reduce((sum, { data = '' }) => sum + data.length, 0)),
      ...(version === '1.9' ? { 'tar-data.json.gz': gzipSync(recordOf(tar)) } : {}),
      ...image.files,
    }
    for (const name of image.without ?? []) delete files[name]
    for (const [name, data] of Object.entries(files)) {
      write(join(root, 'graph', image.id, name), data)
    }
  }
}

/** Writes Docker's file of tags. */
export function writeRepositories(
  root: string,
  tags: Readonly<Record<string, Record<string, string>>>,
): void {
  write(join(root, 'repositories-vfs'), JSON.stringify({ Repositories: tags }))
}

function documentOf({ id, parent, json }: FixtureImage): string {
  return JSON.stringify({
    id,
    ...(parent === undefined ? {} : { parent }),
    created: '2015-11-03T12:00:00.5Z',
    container: 'c'.repeat(64),
    container_config: { Cmd: ['/bin/sh', '-c', `#(nop) ADD ${id.slice(0, 4)}`] },
    docker_version: '1.9.0',
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] },
    architecture: 'amd64',
    os: 'linux',
    ...json,
  })
}

/** What the vfs driver makes of it: a copy of the parent, the tar over it. */
function unpack(root: string, { id, parent }: FixtureImage, tar: Uint8Array): void {
  const to = join(root, 'vfs/dir', id)
  const under = parent && join(root, 'vfs/dir', parent)
  mkdirSync(dirname(to), { recursive: true })
  if (under && existsSync(under)) execFileSync('cp', ['-a', under, to])
  else mkdirSync(to)
  execFileSync('tar', ['-xpf', '-', '--no-same-owner', '-C', to], { input: tar })
  const names = execFileSync('tar', ['-tf', '-'], { input: tar }).toString().split('\n')
  for (const name of names) {
    if (!basename(name).startsWith('.wh.')) continue
    rmSync(join(to, name))
    const gone = join(to, dirname(name), basename(name).slice('.wh.'.length))
    rmSync(gone, { recursive: true, force: true })
  }
}

/** The tar-split record of a plain USTAR tar (tar-split, `tar/storage/entry.go`). */
function recordOf(tar: Uint8Array): string {
  const lines: object[] = []
  let position = 0
  let segment = 0
  const endSegment = (at: number) => {
    const payload = Buffer.from(tar.subarray(segment, at)).toString('base64')
    lines.push({ type: 2, payload, position: position++ })
    segment = at
  }
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const field = (from: number, size: number) =>
      Buffer.from(tar.subarray(at + from, at + from + size)).toString('latin1')
    const name = field(0, 100).replace(/\0.*$/s, '')
    const size = field(156, 1) === '0' ? Number.parseInt(field(124, 11), 8) : 0
    at += 512
    endSegment(at)
    const data = tar.subarray(at, at + size)
    lines.push({
      type: 1,
      name,
      ...(size > 0 ? { size } : {}),
      payload: size > 0 ? crc64(data).toString('base64') : null,
      position: position++,
    })
    segment = at + size
    at += Math.ceil(size / 512) * 512
  }
  endSegment(tar.length)
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

/** CRC-64 of ISO 3309 as Go's `hash/crc64` has it, bit by bit, big-endian. */
function crc64(data: Uint8Array): Buffer {
  let crc = ~0n & 0xffffffffffffffffn
  for (const byte of data) {
    crc ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0xd800000000000000n : crc >> 1n
  }
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(~crc & 0xffffffffffffffffn)
  return out
}

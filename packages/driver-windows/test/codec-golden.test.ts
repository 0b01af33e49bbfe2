/** What Microsoft's own Go code wrote for these inputs; see golden/README.md. */
import { readFileSync } from 'node:fs'
import { collect, LayerError } from '@varve/core'
import {
  BackupReader,
  encodeExtendedAttributes,
  encodeReparsePoint,
  type FileBasicInfo,
  filetimeOf,
  parseExtendedAttributes,
  parseReparsePoint,
  paxTimeText,
  readTarFiles,
  STREAM,
  type TarFile,
  unixNanoseconds,
  writeBackupToTar,
} from '@varve/driver-windows'
import { encodeHeader, endOfArchive } from '@varve/tar'
import { describe, expect, test } from 'vitest'

type Json = Record<string, never>
const golden = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`golden/${name}.json`, import.meta.url), 'utf8')) as T
const base64 = (text: string | null | undefined): Uint8Array =>
  new Uint8Array(Buffer.from(text ?? '', 'base64'))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const all = (source: AsyncIterable<Uint8Array>): Promise<Uint8Array> => collect(source, 2 ** 24)

interface Info {
  readonly Creation: string
  readonly LastAccess: string
  readonly LastWrite: string
  readonly Change: string
  readonly Attributes: number
}
const infoOf = (info: Info): FileBasicInfo => ({
  creation: BigInt(info.Creation),
  lastAccess: BigInt(info.LastAccess),
  lastWrite: BigInt(info.LastWrite),
  change: BigInt(info.Change),
  attributes: info.Attributes,
})

interface ToTar {
  readonly Name: string
  readonly FileName: string
  readonly Size: number
  readonly Info: Info
  readonly Seekable: boolean
  readonly Stream: string
  readonly Tar?: string
  readonly Error?: string
}

describe('backup stream to tar, as Go', () => {
  for (const vector of golden<ToTar[]>('backupstream-to-tar')) {
    test(`${vector.Name}, ${vector.Seekable ? 'read twice' : 'read once'}`, async () => {
      const bytes = base64(vector.Stream)
      const file = {
        name: vector.FileName,
        size: vector.Size,
        info: infoOf(vector.Info),
        stream: vector.Seekable ? { open: () => [bytes] } : [bytes],
      }
      const tar = all(writeBackupToTar(file, { goCompatible: true }))
      if (vector.Error !== undefined) await expect(tar).rejects.toBeInstanceOf(LayerError)
      else expect(hex(await tar)).toBe(hex(base64(vector.Tar)).slice(0, -2048))
    })
  }
})

interface FromTar {
  readonly Name: string
  readonly Tar: string
  readonly Error?: string
  readonly Entries: readonly {
    readonly Name: string
    readonly Linkname: string
    readonly Typeflag: string
    readonly Size: number
    readonly Info: Info
    readonly Stream: string | null
  }[]
}

/** Go writes several extended attributes in the order of a map, which is random. */
const RANDOM_ORDER = 'roundtrip/ea-two-flags-and-empty-value'

describe('tar to backup stream, as Go', () => {
  for (const vector of golden<FromTar[]>('tar-to-backupstream')) {
    test(vector.Name, async () => {
      const found: unknown[] = []
      const wanted = (vector.Entries ?? []).map((entry) => [
        entry.Name,
        entry.Linkname,
        entry.Typeflag,
        entry.Size,
        infoOf(entry.Info),
        vector.Name === RANDOM_ORDER ? '' : hex(base64(entry.Stream)),
      ])
      const read = async () => {
        const files = readTarFiles([base64(vector.Tar)], { goCompatible: true })
        for await (const file of files) found.push(await told(file, vector.Name))
      }
      if (vector.Error !== undefined) {
        await expect(read()).rejects.toMatchObject({ code: 'ERR_INVALID_TAR' })
      } else {
        await read()
        expect(found).toEqual(wanted)
      }
    })
  }
})

async function told(file: TarFile, name: string): Promise<unknown> {
  const stream = await all(file.stream)
  return [
    file.name,
    file.linkname,
    String.fromCharCode(file.entry.typeflag),
    file.size,
    file.info,
    name === RANDOM_ORDER ? '' : hex(stream),
  ]
}

test('several extended attributes are the same set as Go’s', async () => {
  const vector = golden<FromTar[]>('tar-to-backupstream').find(({ Name }) => Name === RANDOM_ORDER)
  const attributes = async (stream: AsyncIterable<Uint8Array> | Uint8Array[]) => {
    const reader = new BackupReader(stream)
    while ((await reader.next())?.id !== STREAM.extendedAttributes);
    const found = parseExtendedAttributes(await reader.payload(1000, 'it'))
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }
  for await (const { stream } of readTarFiles([base64(vector?.Tar)])) {
    expect(await attributes(stream)).toEqual(await attributes([base64(vector?.Entries[0]?.Stream)]))
  }
})

interface Framing {
  readonly Name: string
  readonly Bytes: string
  readonly Error?: string
  readonly Headers:
    | readonly {
        readonly Id: number
        readonly Attributes: number
        readonly Size: number
        readonly Name: string
        readonly Offset: number
        readonly Data: string
      }[]
    | null
}

describe('the parts of a backup stream, as Go', () => {
  for (const vector of golden<Framing[]>('stream-framing')) {
    test(vector.Name, async () => {
      const reader = new BackupReader([base64(vector.Bytes)])
      const found: unknown[] = []
      const read = async () => {
        for (let part = await reader.next(); part; part = await reader.next()) {
          const parts: Uint8Array[] = []
          const { id, attributes, size, name, offset } = part
          try {
            for await (const chunk of reader.data()) parts.push(chunk.slice())
          } finally {
            found.push([id, attributes, size, name, offset, hex(Buffer.concat(parts))])
          }
        }
      }
      if (vector.Error === undefined) await read()
      else await expect(read()).rejects.toMatchObject({ code: 'ERR_TRUNCATED' })
      expect(found).toEqual(
        (vector.Headers ?? []).map((header) => [
          header.Id,
          header.Attributes,
          header.Size,
          header.Name,
          header.Offset,
          hex(base64(header.Data)),
        ]),
      )
    })
  }
})

interface Reparse {
  readonly cases: readonly {
    readonly Target: string
    readonly Mount: boolean
    readonly Bytes: string
    readonly Decoded: string
  }[]
  readonly unsupported: { readonly bytes: string; readonly error: string }
}

describe('reparse points, as Go', () => {
  const { cases, unsupported } = golden<Reparse>('reparse')
  for (const { Target, Mount, Bytes, Decoded } of cases) {
    test(`${Mount ? 'mount point' : 'link'} to “${Target}”`, () => {
      const point = { target: Target, isMountPoint: Mount }
      expect(hex(encodeReparsePoint(point))).toBe(hex(base64(Bytes)))
      const decoded = { target: Decoded, isMountPoint: Mount }
      expect(parseReparsePoint(base64(Bytes), false)).toEqual(decoded)
    })
  }
  test('others are refused by their tag', () => {
    const parse = () => parseReparsePoint(base64(unsupported.bytes), false)
    expect(parse).toThrow(/90000018/)
  })
})

interface Attributes {
  readonly cases: readonly {
    readonly Name: string
    readonly Eas: readonly { Flags: number; Name: string; Value: string }[] | null
    readonly Bytes: string
    readonly Error?: string
  }[]
}

describe('extended attributes, as Go', () => {
  for (const { Name, Eas, Bytes, Error: refusal } of golden<Attributes>('ea').cases) {
    test(Name, () => {
      const parse = () => parseExtendedAttributes(base64(Bytes))
      if (refusal !== undefined) {
        expect(parse).toThrow(LayerError)
        return
      }
      const wanted = (Eas ?? []).map((attribute) => ({
        flags: attribute.Flags,
        name: attribute.Name,
        value: base64(attribute.Value),
      }))
      expect(parse()).toEqual(wanted)
      if (Name !== 'not-padded' && Name !== 'single') {
        expect(hex(encodeExtendedAttributes(wanted))).toBe(hex(base64(Bytes)))
      }
    })
  }
  test('what is too long is refused', () => {
    const value = new Uint8Array(0)
    const long = { name: 'x'.repeat(256), value, flags: 0 }
    expect(() => encodeExtendedAttributes([long])).toThrow(/too long/)
    const large = { name: 'x', value: new Uint8Array(65_536), flags: 0 }
    expect(() => encodeExtendedAttributes([large])).toThrow(/too long/)
  })
})

describe('times, as Go', () => {
  const { cases } = golden<{ cases: readonly Record<string, string>[] }>('times')
  for (const { Filetime = '', UnixNano = '', Back = '', PaxMtime } of cases) {
    test(`FILETIME ${Filetime}`, () => {
      const nanoseconds = unixNanoseconds(BigInt(Filetime))
      expect(String(nanoseconds)).toBe(UnixNano)
      expect(String(filetimeOf(nanoseconds))).toBe(Back)
      expect(paxTimeText(nanoseconds)).toBe(PaxMtime)
    })
  }
})

test('a whiteout is what moby writes', () => {
  const { name, tar } = golden<Json>('whiteout') as unknown as { name: string; tar: string }
  const path = name.replaceAll('\\', '/').replace(/([^/]+)$/, '.wh.$1')
  const header = encodeHeader({
    type: 'file',
    name: new TextEncoder().encode(path),
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: { sec: 0, nsec: 0 },
  })
  expect(hex(Buffer.concat([header, endOfArchive()]))).toBe(hex(base64(tar)))
})

import { pack } from 'tar-stream'

async function build(n: number): Promise<Uint8Array> {
  const tar = pack()
  const mtime = new Date(1_700_000_000_000 + n)
  tar.entry({ name: `dir-${n}/`, type: 'directory', mtime })
  for (let i = 0; i <= n; i++) {
    tar.entry(
      { name: `dir-${n}/file-${i}`, mtime, mode: 0o640 },
      `content ${i} of ${n}\n`.repeat(9),
    )
  }
  tar.entry({ name: `dir-${n}/link`, type: 'symlink', linkname: 'file-0', mtime })
  tar.entry({ name: `dir-${n}/hard`, type: 'link', linkname: `dir-${n}/file-0`, mtime })
  tar.finalize()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) chunks.push(chunk as Uint8Array)
  return Buffer.concat(chunks)
}

/** A small layer tar; the same for the same number. */
export async function* smallTarOf(n: number): AsyncGenerator<Uint8Array> {
  yield await build(n)
}

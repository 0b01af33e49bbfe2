import { pack } from 'tar-stream'
import type { OutFile } from './out-file.ts'

const BLOCK = 512
const FILE_MODE = 0o644
const DIRECTORY_MODE = 0o755
/** `docker save` dates its documents so; equal images give equal archives. */
const TIME = new Date(0)

/** Files as a tar. Bodies are passed on as they come. */
export async function* tarOf<R>(
  files: AsyncGenerator<OutFile, R>,
  onEnd: (result: R) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for (const name of ['blobs/', 'blobs/sha256/']) yield await headerOf(name, undefined)
    for (;;) {
      const next = await files.next()
      if (next.done) {
        onEnd(next.value)
        break
      }
      const { name, size, open } = next.value
      yield await headerOf(name, size)
      for await (const chunk of open()) yield chunk
      if (size % BLOCK > 0) yield new Uint8Array(BLOCK - (size % BLOCK))
    }
    yield new Uint8Array(2 * BLOCK)
  } finally {
    await files.return(undefined as R)
  }
}

/** One header by tar-stream, without sending the body through it. */
async function headerOf(name: string, size: number | undefined): Promise<Uint8Array> {
  const archive = pack()
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      archive.once('data', (chunk) => resolve(chunk as Uint8Array))
      archive.once('error', reject)
      const mtime = TIME
      const entry =
        size === undefined
          ? archive.entry({ name, mtime, type: 'directory', mode: DIRECTORY_MODE })
          : archive.entry({ name, mtime, type: 'file', mode: FILE_MODE, size })
      // Its body never comes; that it is destroyed for that is no error of ours.
      entry.on('error', () => undefined)
    })
  } finally {
    archive.destroy()
  }
}

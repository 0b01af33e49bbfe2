/** Prints the SHA-256 of a layer's uncompressed tar: digest-alone.ts FILE. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { decompress } from '@varve/archive'

const [file = ''] = process.argv.slice(2)
const hash = createHash('sha256')
const { bytes } = await decompress(createReadStream(file, { highWaterMark: 1 << 20 }))
for await (const chunk of bytes) hash.update(chunk)
console.log(`sha256:${hash.digest('hex')}`)

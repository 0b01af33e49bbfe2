/** Applies the tar of its standard input: `apply ROOT`. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { applyLayer } from '@varve/archive'

const [root = ''] = process.argv.slice(2)
await applyLayer(root, [readFileSync(0)])

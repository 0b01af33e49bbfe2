/** Opens a driver as whoever runs it: `refused ROOT`; prints how that was refused. */
import process from 'node:process'
import { LayerError } from '@varve/core'
import { overlay } from '@varve/driver-overlay'

try {
  await overlay({ root: process.argv[2] ?? '' })
} catch (error) {
  if (!LayerError.is(error)) throw error
  process.stdout.write(JSON.stringify({ code: error.code, hint: error.hint }))
}

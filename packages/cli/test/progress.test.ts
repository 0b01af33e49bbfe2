import { expect, test } from 'vitest'
import { onlyPhase, plainProgress, runningText } from '../src/terminal/progress.ts'

test('a log gets one line for each layer, when it is done', async () => {
  const lines: string[] = []
  const progress = onlyPhase(
    'load',
    'layer',
    plainProgress((line) => lines.push(line), 0),
  )
  const digest = `sha256:${'ab'.repeat(32)}`
  progress.onProgress({ phase: 'load', id: digest, done: 10 })
  // What the store under it tells in between is not for people.
  progress.onProgress({ phase: 'register', id: 'f'.repeat(64), done: 10 })
  progress.onProgress({ phase: 'load', id: digest, done: 2_000_000 })
  expect(lines).toEqual([])
  progress.onProgress({ phase: 'load', id: 'no digest', done: 5 })
  await progress.end('done')
  expect(lines.map((line) => line.replace(/ in .*/, ''))).toEqual([
    'layer abababababab: 2.00 MB',
    'layer: 5 B',
  ])
})

test('what failed is not reported as done', async () => {
  const lines: string[] = []
  const progress = plainProgress((line) => lines.push(line), 0)
  progress.onProgress({ phase: 'layer', id: '', done: 10 })
  await progress.end('failed')
  expect(lines).toEqual([])
})

test('a running layer shows bytes, share and rate, as far as they are known', () => {
  const event = { phase: 'layer', id: '', done: 5_000_000 }
  expect(runningText(event, 500)).toBe('5.00 MB, 10.0 MB/s')
  expect(runningText({ ...event, total: 20_000_000 }, 500)).toBe(
    '5.00 MB of 20.0 MB, 25%, 10.0 MB/s',
  )
  expect(runningText({ ...event, total: 0 }, 0)).toBe('5.00 MB')
})

test('what was quick needs no line in a log', async () => {
  const lines: string[] = []
  const progress = plainProgress((line) => lines.push(line), 60_000)
  progress.onProgress({ phase: 'layer', id: '', done: 10 })
  await progress.end('done')
  expect(lines).toEqual([])
})

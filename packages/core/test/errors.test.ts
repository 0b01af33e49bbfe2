import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cleanUp, ERROR_CODES, LayerError, wrapError } from '../src/errors.ts'

describe('LayerError', () => {
  test('keeps code, cause, data and hint, and prints them as JSON', () => {
    const cause = new Error('disk on fire')
    const error = new LayerError('ERR_IO', 'Cannot read x', { cause, data: { x: 1 }, hint: 'Run' })
    expect(error.cause).toBe(cause)
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'ERR_IO',
      message: 'Cannot read x',
      data: { x: 1 },
      hint: 'Run',
      cause: 'disk on fire',
    })
  })

  test('is recognised by code', () => {
    const error = new LayerError('ERR_LOCKED', 'x')
    expect(LayerError.is(error)).toBe(true)
    expect(LayerError.is(error, 'ERR_LOCKED')).toBe(true)
    expect(LayerError.is(error, 'ERR_IO')).toBe(false)
    expect(LayerError.is(new Error('x'))).toBe(false)
  })

  test('every code is explained in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const code of ERROR_CODES) expect(readme).toContain(`\`${code}\``)
  })
})

describe('wrapError', () => {
  const os = (code: string) => Object.assign(new Error(code), { code, syscall: 'open', path: '/x' })

  test.each([
    ['ENOSPC', 'ERR_NO_SPACE'],
    ['EDQUOT', 'ERR_NO_SPACE'],
    ['EACCES', 'ERR_PERMISSION'],
    ['EROFS', 'ERR_PERMISSION'],
    ['EIO', 'ERR_IO'],
  ])('gives %s the code %s and keeps errno, syscall and path', (errno, code) => {
    const error = wrapError(os(errno), 'Cannot write layer')
    expect(error.code).toBe(code)
    expect(error.data).toEqual({ errno, syscall: 'open', path: '/x' })
    expect(error.message).toMatch(/^Cannot write layer: /)
  })

  test('passes a LayerError through', () => {
    const error = new LayerError('ERR_LOCKED', 'x')
    expect(wrapError(error, 'Cannot y')).toBe(error)
  })

  test('turns an abort into ERR_ABORTED', () => {
    const abort = new DOMException('stop', 'AbortError')
    expect(wrapError(abort, 'Cannot y').code).toBe('ERR_ABORTED')
  })
})

describe('cleanUp', () => {
  test('runs every step and gives back the first error when all went well', async () => {
    const ran: number[] = []
    const primary = new Error('primary')
    const steps = [1, 2].map((n) => () => ran.push(n))
    expect(await cleanUp(primary, ...steps)).toBe(primary)
    expect(ran).toEqual([1, 2])
  })

  test('reports a failed step too, and keeps the code of the first error', async () => {
    const primary = new LayerError('ERR_NO_SPACE', 'Cannot write')
    let ran = false
    const error = await cleanUp(
      primary,
      () => {
        throw new Error('cannot remove')
      },
      () => {
        ran = true
      },
    )
    expect(ran).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_NO_SPACE' })
    expect((error as Error).message).toContain('cannot remove')
    expect(((error as Error).cause as AggregateError).errors[0]).toBe(primary)
  })
})

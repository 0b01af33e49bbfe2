/** What the suites assert with, beside `node:assert`. */
import assert from 'node:assert/strict'
import { type ErrorCode, LayerError } from '@varve/core'
import { sameBytes } from './tar/bytes.ts'

/** Asserts that a call fails with a {@link LayerError} of one of these codes, and gives it. */
export async function failsWith(
  codes: ErrorCode | readonly ErrorCode[],
  call: () => unknown,
): Promise<LayerError> {
  const wanted = typeof codes === 'string' ? [codes] : codes
  try {
    await call()
  } catch (error) {
    if (!LayerError.is(error)) {
      assert.fail(`should fail with ${wanted.join(' or ')}, failed with ${String(error)}`)
    }
    assert.ok(
      wanted.includes(error.code),
      `should fail with ${wanted.join(' or ')}, failed with ${error.code}: ${error.message}`,
    )
    return error
  }
  return assert.fail(`should fail with ${wanted.join(' or ')}, but succeeded`)
}

/** All that an iterable yields. */
export async function allOf<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Asserts that bytes are the same, without the diff that `deepEqual` would take minutes to draw. */
export function equalBytes(found: Uint8Array, wanted: Uint8Array, what = 'bytes'): void {
  assert.ok(sameBytes(found, wanted), `${what} differ: ${found.length} and ${wanted.length} long`)
}

import { LayerError } from '@varve/core'
import { canonicalName, familiarName, familiarRepository, parseReference } from '@varve/image'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const HEX = 'a3'.repeat(32)

describe('names of images', () => {
  test.each([
    ['alpine', 'docker.io', 'library/alpine', 'latest', 'alpine:latest'],
    ['alpine:3.20', 'docker.io', 'library/alpine', '3.20', 'alpine:3.20'],
    ['docker.io/alpine', 'docker.io', 'library/alpine', 'latest', 'alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io', 'library/alpine', 'latest', 'alpine:latest'],
    ['user/app', 'docker.io', 'user/app', 'latest', 'user/app:latest'],
    ['localhost/app:1', 'localhost', 'app', '1', 'localhost/app:1'],
    ['localhost:5000/a/b', 'localhost:5000', 'a/b', 'latest', 'localhost:5000/a/b:latest'],
    ['example.org/a', 'example.org', 'a', 'latest', 'example.org/a:latest'],
    ['[::1]:5000/a:v', '[::1]:5000', 'a', 'v', '[::1]:5000/a:v'],
    ['UPPER/app', 'UPPER', 'app', 'latest', 'UPPER/app:latest'],
    ['a__b/c-d.e---f', 'docker.io', 'a__b/c-d.e---f', 'latest', 'a__b/c-d.e---f:latest'],
    ['a/b/c', 'docker.io', 'a/b/c', 'latest', 'a/b/c:latest'],
    ['docker.io/library/a/b', 'docker.io', 'library/a/b', 'latest', 'library/a/b:latest'],
  ])('%s is understood', (text, domain, path, tag, familiar) => {
    const reference = parseReference(text)
    expect(reference).toEqual({ domain, path, tag, digest: undefined })
    expect(familiarName(reference)).toBe(familiar)
    expect(canonicalName(reference)).toBe(`${domain}/${path}:${tag}`)
  })

  test('a digest takes the place of the default tag, and may stand beside a tag', () => {
    const only = parseReference(`alpine@sha256:${HEX}`)
    expect(only.tag).toBeUndefined()
    expect(familiarName(only)).toBe(`alpine@sha256:${HEX}`)
    expect(parseReference(`alpine:3@sha256:${HEX}`).tag).toBe('3')
  })

  test.each([
    '',
    ':latest',
    '/a',
    'a/',
    'a//b',
    'A',
    'a:',
    'a:-x',
    `a:${'x'.repeat(129)}`,
    'a@sha256:123',
    `a@sha512:${HEX}`,
    `a@sha256:${HEX.toUpperCase()}`,
    HEX,
    '../../etc/passwd',
    'a/../b',
    'a b',
    'a\n',
    'a:b\n',
    '.a',
    'a.',
    'a___b',
    '-a/b.c/d',
    '__proto__',
    `${'a'.repeat(256)}`,
    'x'.repeat(2000),
  ])('%j is no name', (text) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  test('a familiar name means the same as the name that it came from', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,4}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/)
    const dotted = fc.stringMatching(/^[a-z0-9]{1,4}(\.[a-z0-9]{1,4}){0,2}$/)
    const domain = fc.constantFrom(
      '',
      'docker.io/',
      'localhost/',
      'r.example:5000/',
      'Ab/',
      '[::1]/',
    )
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}$/))
    fc.assert(
      fc.property(
        domain,
        part,
        fc.array(fc.oneof(part, dotted), { maxLength: 3 }),
        tag,
        (d, p, r, t) => {
          const reference = parseReference(d + [p, ...r].join('/') + (t === null ? '' : `:${t}`))
          expect(parseReference(familiarName(reference))).toEqual(reference)
          expect(parseReference(canonicalName(reference))).toEqual(reference)
          expect(familiarName(reference).startsWith(familiarRepository(reference))).toBe(true)
        },
      ),
    )
  })

  test('any text is a name or refused with a code, never anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          const reference = parseReference(text)
          expect(reference.path.split('/')).not.toContain('..')
        } catch (error) {
          expect(LayerError.is(error, 'ERR_INVALID_ARGUMENT')).toBe(true)
        }
      }),
    )
  })
})

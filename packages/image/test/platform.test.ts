import { formatPlatform, parsePlatform, platformScore } from '@varve/image'
import { describe, expect, test } from 'vitest'

const score = (wanted: string, offered: string): number =>
  platformScore(parsePlatform(wanted), parsePlatform(offered))

describe('platforms', () => {
  test('are written as they are read, with Go’s names', () => {
    expect(formatPlatform(parsePlatform('linux/arm/v6'))).toBe('linux/arm/v6')
    expect(formatPlatform(parsePlatform('Linux/x86_64'))).toBe('linux/amd64')
    expect(formatPlatform(parsePlatform('linux/aarch64'))).toBe('linux/arm64')
  })

  test.each(['', 'linux', 'linux/', '/amd64', 'linux/arm/v7/x', '../../etc'])(
    '%j is none',
    (text) => {
      expect(() => parsePlatform(text)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    },
  )

  test('another system or processor never fits', () => {
    expect(score('linux/amd64', 'linux/arm64')).toBe(0)
    expect(score('linux/amd64', 'windows/amd64')).toBe(0)
  })

  test('what is understood need not be said', () => {
    expect(score('linux/arm64', 'linux/arm64/v8')).toBe(100)
    expect(score('linux/amd64', 'linux/amd64/v1')).toBe(100)
    expect(score('linux/arm', 'linux/arm/v7')).toBe(100)
  })

  test('a newer arm takes what is for an older one, the nearest first, never the other way', () => {
    expect(score('linux/arm/v7', 'linux/arm/v6')).toBeGreaterThan(
      score('linux/arm/v7', 'linux/arm/v5'),
    )
    expect(score('linux/arm/v7', 'linux/arm/v5')).toBeGreaterThan(0)
    expect(score('linux/arm/v6', 'linux/arm/v7')).toBe(0)
  })
})

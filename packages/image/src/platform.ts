import { arch, platform as os } from 'node:process'
import { LayerError } from '@varve/core'
import type { Platform } from './types/image.ts'

/** Node's names of processors in Go's words (`GOARCH`), which images use. */
const GOARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle' }
/** Variants that containerd takes as understood; `platforms.Normalize`. */
const DEFAULT_VARIANT: Readonly<Record<string, string>> = { amd64: 'v1', arm: 'v7', arm64: 'v8' }
const ALIAS: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
}

/**
 * The platform whose images run here: images are Linux's, whatever system this is, but Windows.
 *
 * @example
 * ```ts
 * import { hostPlatform, platformScore } from '@varve/image'
 *
 * console.assert(platformScore(hostPlatform(), hostPlatform()) > 0)
 * ```
 */
export function hostPlatform(): Platform {
  return normal({ os: os === 'win32' ? 'windows' : 'linux', architecture: GOARCH[arch] ?? arch })
}

/**
 * `os/arch[/variant]` taken apart.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT`
 * @example
 * ```ts
 * import { parsePlatform } from '@varve/image'
 *
 * console.assert(parsePlatform('linux/arm/v6').variant === 'v6')
 * ```
 */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9][\w.-]*)\/([a-z0-9][\w.-]*)(?:\/([a-z0-9][\w.-]*))?$/i.exec(text)
  const [, system, architecture, variant] = match ?? []
  if (!system || !architecture) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot use ${JSON.stringify(text)} as a platform`,
      { hint: 'Write it as os/arch or os/arch/variant, for instance linux/arm64' },
    )
  }
  return normal({ os: system, architecture, ...(variant ? { variant } : {}) })
}

/**
 * A platform as `os/arch[/variant]`.
 *
 * @example
 * ```ts
 * import { formatPlatform } from '@varve/image'
 *
 * console.assert(formatPlatform({ os: 'linux', architecture: 'amd64' }) === 'linux/amd64')
 * ```
 */
export function formatPlatform(platform: Platform): string {
  const { os: system, architecture, variant } = platform
  return [system, architecture, ...(variant ? [variant] : [])].join('/')
}

/**
 * How well an image for `offered` suits `wanted`: 0 not at all, more is better. A newer arm runs
 * what was built for an older one, never the other way round.
 *
 * @example
 * ```ts
 * import { parsePlatform, platformScore } from '@varve/image'
 *
 * const [old, young] = [parsePlatform('linux/arm/v6'), parsePlatform('linux/arm/v7')]
 * console.assert(platformScore(young, old) > 0 && platformScore(old, young) === 0)
 * ```
 */
export function platformScore(wanted: Platform, offered: Platform): number {
  const want = normal(wanted)
  const have = normal(offered)
  if (want.os !== have.os || want.architecture !== have.architecture) return 0
  const asked = variantOf(want)
  const given = variantOf(have)
  if (asked === given) return 100
  const askedLevel = Number(/^v(\d+)$/.exec(asked)?.[1] ?? Number.NaN)
  const givenLevel = Number(/^v(\d+)$/.exec(given)?.[1] ?? Number.NaN)
  if (Number.isNaN(askedLevel) || Number.isNaN(givenLevel)) return given === '' ? 1 : 0
  return givenLevel < askedLevel ? Math.max(1, 50 - (askedLevel - givenLevel)) : 0
}

function variantOf(platform: Platform): string {
  return platform.variant ?? DEFAULT_VARIANT[platform.architecture] ?? ''
}

function normal(platform: Platform): Platform {
  const architecture = platform.architecture.toLowerCase()
  const { variant } = platform
  return {
    os: platform.os.toLowerCase(),
    architecture: ALIAS[architecture] ?? architecture,
    ...(variant ? { variant: variant.toLowerCase() } : {}),
  }
}

/**
 * Names of images, by Docker's grammar (distribution's `reference` package):
 * `[domain[:port]/]path[:tag][@digest]`. A *familiar* name leaves out what is understood:
 * `alpine` is `docker.io/library/alpine:latest`.
 *
 * @module
 */
import { type Digest, isDigest, LayerError } from '@varve/core'

const DEFAULT_DOMAIN = 'docker.io'
/** The older name of the default domain; distribution's `legacyDefaultDomain`. */
const LEGACY_DOMAIN = 'index.docker.io'
const OFFICIAL = 'library/'
const DEFAULT_TAG = 'latest'

// distribution/reference/regexp.go
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])`
const DOMAIN = new RegExp(`^${HOST}(?::[0-9]+)?$`)
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[\w][\w.-]{0,127}$/
/** distribution's `RepositoryNameTotalLengthMax`; the longest reference adds a tag and a digest. */
const NAME_MAX = 255
const REFERENCE_MAX = 1024

/** A name taken apart. */
export interface Reference {
  /** `docker.io`, `ghcr.io`, `localhost:5000`, … */
  readonly domain: string
  /** `library/alpine`, … */
  readonly path: string
  readonly tag: string | undefined
  readonly digest: Digest | undefined
}

/**
 * Takes a name apart, with everything filled in that is understood.
 *
 * Without tag and digest the tag is `latest`.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` if it is no name by the grammar
 * @example
 * ```ts
 * import { familiarName, parseReference } from '@varve/image'
 *
 * const ref = parseReference('alpine')
 * console.assert(ref.domain === 'docker.io' && ref.path === 'library/alpine')
 * console.assert(familiarName(ref) === 'alpine:latest')
 * ```
 */
export function parseReference(text: string): Reference {
  const fail = (why: string): LayerError =>
    new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot use ${JSON.stringify(text.slice(0, 300))} as an image name: ${why}`,
      {
        hint: 'A name is [domain/]path[:tag][@digest], in lower case but for domain and tag',
      },
    )
  if (text === '' || text.length > REFERENCE_MAX) throw fail('it is empty or too long')
  if (/^[a-f0-9]{64}$/.test(text)) throw fail('64 hex digits are an image id')

  let rest = text
  let digest: Digest | undefined
  const at = rest.indexOf('@')
  if (at >= 0) {
    const given = rest.slice(at + 1)
    if (!isDigest(given)) throw fail('its digest is not "sha256:" and 64 lower-case hex digits')
    digest = given
    rest = rest.slice(0, at)
  }

  // As distribution's splitDockerDomain: a first part is a domain only if it looks like one.
  const slash = rest.indexOf('/')
  const first = slash < 0 ? '' : rest.slice(0, slash)
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  let domain = isDomain ? first : DEFAULT_DOMAIN
  let path = isDomain ? rest.slice(slash + 1) : rest
  let tag: string | undefined
  const colon = path.indexOf(':')
  if (colon >= 0) {
    tag = path.slice(colon + 1)
    path = path.slice(0, colon)
    if (!TAG.test(tag)) throw fail('its tag is not up to 128 letters, digits, "_", "." and "-"')
  }
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN
  if (domain === DEFAULT_DOMAIN && !path.includes('/')) path = OFFICIAL + path
  if (!DOMAIN.test(domain)) throw fail('its domain is malformed')
  if (!PATH.test(path)) throw fail('its path is malformed')
  if (domain.length + 1 + path.length > NAME_MAX) throw fail('it is too long')
  return { domain, path, tag: tag ?? (digest ? undefined : DEFAULT_TAG), digest }
}

/**
 * The name as people write it: `alpine:latest`, `ghcr.io/a/b@sha256:…`.
 *
 * @example
 * ```ts
 * import { familiarName, parseReference } from '@varve/image'
 *
 * const name = familiarName(parseReference('docker.io/library/alpine'))
 * console.assert(name === 'alpine:latest')
 * ```
 */
export function familiarName(ref: Reference): string {
  return familiarRepository(ref) + suffix(ref)
}

/**
 * The name in full: `docker.io/library/alpine:latest`.
 *
 * @example
 * ```ts
 * import { canonicalName, parseReference } from '@varve/image'
 *
 * const name = canonicalName(parseReference('alpine'))
 * console.assert(name === 'docker.io/library/alpine:latest')
 * ```
 */
export function canonicalName(ref: Reference): string {
  return `${ref.domain}/${ref.path}${suffix(ref)}`
}

/**
 * The familiar name without tag and digest.
 *
 * @example
 * ```ts
 * import { familiarRepository, parseReference } from '@varve/image'
 *
 * console.assert(familiarRepository(parseReference('user/app:2')) === 'user/app')
 * ```
 */
export function familiarRepository(ref: Reference): string {
  if (ref.domain !== DEFAULT_DOMAIN) return `${ref.domain}/${ref.path}`
  const short = ref.path.startsWith(OFFICIAL) ? ref.path.slice(OFFICIAL.length) : ref.path
  // docker.io/library/a/b cannot be shortened: a/b is docker.io/a/b.
  return short.includes('/') ? ref.path : short
}

function suffix(ref: Reference): string {
  return (ref.tag === undefined ? '' : `:${ref.tag}`) + (ref.digest ? `@${ref.digest}` : '')
}

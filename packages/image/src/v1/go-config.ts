/**
 * What Docker's structs keep of a v1 image. Since 1.10 Docker reads images made before 1.8.3 into
 * its structs and writes them out again; whoever wants the same digest must do so too.
 *
 * @module
 */
import { goTime } from './go-time.ts'
import { goJson } from './raw-json.ts'
import type { V1Image } from './v1-image.ts'

type Kind = 'text' | 'flag' | 'list' | 'map' | 'any'

/** moby `api/types/container/config.go`, in its order; `+` marks `omitempty`. */
const CONFIG_FIELDS: readonly (readonly [name: string, kind: Kind, omitEmpty?: '+'])[] = [
  ['Hostname', 'text'],
  ['Domainname', 'text'],
  ['User', 'text'],
  ['AttachStdin', 'flag'],
  ['AttachStdout', 'flag'],
  ['AttachStderr', 'flag'],
  ['ExposedPorts', 'map', '+'],
  ['Tty', 'flag'],
  ['OpenStdin', 'flag'],
  ['StdinOnce', 'flag'],
  ['Env', 'list'],
  ['Cmd', 'list'],
  ['Healthcheck', 'any', '+'],
  ['ArgsEscaped', 'flag', '+'],
  ['Image', 'text'],
  ['Volumes', 'map'],
  ['WorkingDir', 'text'],
  ['Entrypoint', 'list'],
  ['NetworkDisabled', 'flag', '+'],
  ['MacAddress', 'text', '+'],
  ['OnBuild', 'list'],
  ['Labels', 'map'],
  ['StopSignal', 'text', '+'],
  ['StopTimeout', 'any', '+'],
  ['Shell', 'list', '+'],
]

const ZERO: Readonly<Record<Kind, unknown>> = {
  text: '',
  flag: false,
  list: null,
  map: null,
  any: null,
}

/** The first version whose documents Docker keeps as they are (moby `image/v1`, `noFallbackMinVersion`). */
const KEPT_SINCE = [1, 8, 3] as const

/** Whether Docker reads the image into its structs, dropping what these do not know. */
export function isRewritten({ docker_version: version = '' }: V1Image): boolean {
  // Docker compares versions number by number; what is no number counts as nought.
  const numbers = version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0)
  for (const [index, wanted] of KEPT_SINCE.entries()) {
    const have = numbers[index] ?? 0
    if (have !== wanted) return have < wanted
  }
  return false
}

/** The members of a v1 image as Docker's structs write them, but for ids and sizes. */
export function rewrittenFields(image: V1Image): Map<string, string> {
  const fields = new Map<string, string>()
  for (const key of ['comment', 'container', 'docker_version', 'author', 'architecture', 'os']) {
    const value = image[key]
    if (typeof value === 'string' && value !== '') fields.set(key, goJson(value))
  }
  fields.set('created', goJson(goTime(image.created)))
  fields.set('container_config', runConfig(image.container_config ?? {}))
  if (image.config) fields.set('config', runConfig(image.config))
  return fields
}

function runConfig(config: Readonly<Record<string, unknown>>): string {
  const members: string[] = []
  for (const [name, kind, omitEmpty] of CONFIG_FIELDS) {
    const value = memberValue(config[name], kind)
    if (omitEmpty && isEmpty(value)) continue
    members.push(`${goJson(name)}:${goJson(value)}`)
  }
  return `{${members.join(',')}}`
}

function memberValue(value: unknown, kind: Kind): unknown {
  if (value === undefined || value === null) return ZERO[kind]
  // Docker once wrote a command of one word as a string (moby `strslice`).
  if (kind === 'list' && typeof value === 'string') return [value]
  if (kind === 'map') return sortedMap(value as object)
  return value
}

function sortedMap(map: object): object {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '' || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

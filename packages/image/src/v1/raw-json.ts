/**
 * JSON objects taken apart and put together again with the text of their values kept, as Go does
 * with `map[string]*json.RawMessage`: numbers, the order of inner keys and escapes stay as they
 * were, so that a configuration made here has the digest that Docker gives it.
 *
 * @module
 */

/** What Go's encoder escapes in strings for the sake of HTML (`encoding/json`, `HTMLEscape`). */
const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

const goEscaped = (text: string): string =>
  text.replace(/[<>&\u2028\u2029]/g, (letter) => ESCAPES[letter] ?? letter)

/** A value as Go's encoder writes it, keys in the order given. */
export function goJson(value: unknown): string {
  return goEscaped(JSON.stringify(value))
}

/**
 * The members of an object, each value's text without white space between its tokens.
 *
 * @param text a sound JSON object
 */
export function rawFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  let key: string | undefined
  let value = ''
  let depth = 0
  const end = (): void => {
    if (key !== undefined) fields.set(key, value)
    key = undefined
    value = ''
  }
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g)) {
    if (token === '}' || token === ']') depth--
    if (depth === 0) end()
    else if (depth > 1 || (token !== ',' && token !== ':')) {
      if (depth === 1 && key === undefined) key = JSON.parse(token) as string
      else value += goEscaped(token)
    } else if (token === ',') end()
    if (token === '{' || token === '[') depth++
  }
  return fields
}

/** An object of members, sorted by name as Go sorts a map's. */
export function joinFields(fields: ReadonlyMap<string, string>): Uint8Array {
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : 1))
  const members = sorted.map(([key, value]) => `${goJson(key)}:${value}`)
  return new TextEncoder().encode(`{${members.join(',')}}`)
}

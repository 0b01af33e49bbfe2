/** Go's zero time, which it writes where there is none. */
const ZERO_TIME = '0001-01-01T00:00:00Z'

/**
 * A time as Go writes it again after it has read it (`time.RFC3339Nano`): at most nine digits of a
 * second and no zeros behind them. What is no time stays as it is.
 */
export function goTime(text: string | undefined): string {
  if (!text) return ZERO_TIME
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (!match) return text
  const [, seconds = '', fraction = '', zone = ''] = match
  const digits = fraction.slice(0, 9).replace(/0+$/, '')
  const offset = /^[+-]00:00$/.test(zone) ? 'Z' : zone
  return `${seconds}${digits === '' ? '' : `.${digits}`}${offset}`
}

import { usageError } from '../../failure.ts'

/** Docker's `--storage-opt`s as the driver takes them; undefined if none was given. */
export function storageOptions(options: {
  readonly size?: string
  readonly storageOpt?: readonly string[]
}): Readonly<Record<string, string>> | undefined {
  const found = new Map<string, string>()
  for (const text of options.storageOpt ?? []) {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? []
    if (key === undefined || value === undefined) {
      throw usageError(`--storage-opt ${text} has no value`, 'write it as key=value')
    }
    found.set(key, value)
  }
  if (options.size !== undefined) found.set('size', options.size)
  return found.size > 0 ? Object.fromEntries(found) : undefined
}

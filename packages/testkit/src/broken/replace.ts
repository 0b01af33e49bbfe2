/** `target` with some methods replaced; the others run on the target itself. */
export function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      const replaced = Reflect.get(methods, key)
      if (replaced !== undefined) return replaced
      const value = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * `target` with `before` called ahead of every method, by its name: what it throws is what the call
 * fails with. For tests of what a store does when its driver or metadata fails.
 *
 * @example
 * ```ts
 * import { intercept, memoryMetadata } from '@varve/testkit'
 *
 * const calls: string[] = []
 * await using metadata = intercept(memoryMetadata(), (name) => calls.push(name))
 * await metadata.begin([])
 * console.assert(calls[0] === 'begin')
 * ```
 */
export function intercept<T extends object>(target: T, before: (method: string) => unknown): T {
  return new Proxy(target, {
    get(_, key) {
      const value = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (typeof key === 'symbol') return value.bind(target)
      return (...args: unknown[]) => {
        const blocked = before(key)
        const call = () => value.apply(target, args) as unknown
        return blocked instanceof Promise ? blocked.then(call) : call()
      }
    },
  })
}

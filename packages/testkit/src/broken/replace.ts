/** `target` with some methods replaced; the others run on the target itself. */
export function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, key) {
      const replaced = Reflect.get(methods, key)
      if (replaced !== undefined) return replaced
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? onTarget(target, value) : value
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
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      const method = onTarget(target, value)
      if (typeof key === 'symbol') return method
      return (...args: unknown[]) => {
        const blocked = before(key)
        return blocked instanceof Promise ? blocked.then(() => method(...args)) : method(...args)
      }
    },
  })
}

type Method = (...args: unknown[]) => unknown

/** Not `bind`: `await using` of Node 24 takes no bound function for a method. */
function onTarget(target: object, method: unknown): Method {
  return (...args) => Reflect.apply(method as Method, target, args)
}

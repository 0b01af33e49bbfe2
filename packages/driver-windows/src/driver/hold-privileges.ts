import type { Privilege, Privileges } from '@varve/sys'

/**
 * Privileges until disposed of, for work that is not one call.
 *
 * @throws whatever keeps the process from having them
 */
export async function holdPrivileges(
  privileges: Privileges,
  names: readonly Privilege[],
): Promise<AsyncDisposable> {
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const held = privileges.with(names, () => {
    begun.resolve()
    return over.promise
  })
  await Promise.race([begun.promise, held])
  return {
    async [Symbol.asyncDispose]() {
      over.resolve()
      await held
    },
  }
}

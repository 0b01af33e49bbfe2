import { type ErrorCode, LayerError, wrapError } from '@varve/core'
import { HcsError, HRESULT } from '@varve/sys'

const CODES: ReadonlyMap<number, ErrorCode> = new Map([
  [HRESULT.fileNotFound, 'ERR_LAYER_NOT_FOUND'],
  [HRESULT.accessDenied, 'ERR_PERMISSION'],
  [HRESULT.sharingViolation, 'ERR_MOUNT_IN_USE'],
  [HRESULT.alreadyExists, 'ERR_INVALID_ARGUMENT'],
  [HRESULT.invalidState, 'ERR_LAYER_IN_USE'],
])

/** What the service or the system said, as an error that says what was attempted. */
export function wrapHcs(
  error: unknown,
  attempt: string,
  data: Readonly<Record<string, unknown>> = {},
): LayerError {
  if (!(error instanceof HcsError)) {
    const wrapped = wrapError(error, attempt, data)
    if ((error as NodeJS.ErrnoException | undefined)?.code !== 'EBUSY') return wrapped
    return new LayerError('ERR_MOUNT_IN_USE', wrapped.message, {
      cause: error,
      data: wrapped.data,
      hint: 'Unmount the layer wherever it is mounted, then try again',
    })
  }
  const { syscall, hresult } = error
  return new LayerError(CODES.get(hresult) ?? 'ERR_IO', `${attempt}: ${error.message}`, {
    cause: error,
    data: { ...data, syscall, hresult },
  })
}

export function notFound(id: string): LayerError {
  return new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
}

import type { NativeCalls } from '../native-calls.ts'
import { contentCalls } from './content.ts'
import { createContext } from './context.ts'
import { deviceCalls } from './devices.ts'
import type { Libc } from './libc.ts'
import { metadataCalls } from './metadata.ts'
import { mountCalls } from './mounting.ts'
import { nameCalls } from './names.ts'
import { quotaCalls } from './quota.ts'
import { safetyCalls } from './safety.ts'
import { xattrCalls } from './xattrs.ts'

/** All calls on one C library, with buffers of their own. */
export function createNativeCalls(libc: Libc): NativeCalls {
  const context = createContext(libc)
  return {
    ...nameCalls(context),
    ...metadataCalls(context),
    ...xattrCalls(context),
    ...contentCalls(context),
    ...safetyCalls(context),
    ...mountCalls(context),
    ...quotaCalls(context),
    ...deviceCalls(context),
  }
}

import type { DriverCapabilities } from '@varve/core'
import type { MountMethod, OverlaySettings } from '../mounting/stack.ts'

/** What this kernel and file system can do, for this user. */
export interface Features {
  readonly method: MountMethod
  /** Settings that every mount gets. */
  readonly settings: OverlaySettings
  /** Whether marks are `user.` attributes, as in user namespaces. */
  readonly userxattr: boolean
  /** Whether the upper directory of a mount tells truly what was changed. */
  readonly nativeDiff: boolean
  /** Whether a kernel that is left alone would copy metadata only; mounts are told not to. */
  readonly metacopy: boolean
  /** The same for renamed directories that stay where they are. */
  readonly redirectDir: boolean
  /** Whether the kernel can keep hard links together over layers; mounts are told not to. */
  readonly index: boolean
  /** Whether there can be mounts that are not put on stable storage. */
  readonly volatile: boolean
  readonly keeps: DriverCapabilities['keeps']
}

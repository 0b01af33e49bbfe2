/** The directories that one mount lays over each other. */
export interface Stack {
  /** Nearest first; two at least, if there is no upper directory. */
  readonly lowers: readonly string[]
  /** Where changes go, and the kernel's own directory beside it. Without it nothing can be changed. */
  readonly upper?: { readonly diff: string; readonly work: string }
}

/** How to mount. */
export interface MountRequest {
  readonly readOnly: boolean
  /** SELinux's, for every file of the mount. */
  readonly label?: string
  /** Whether what is changed is never put on stable storage, whoever asks. Default false. */
  readonly volatile?: boolean
}

/** A mount that is nowhere in the tree, or where nobody looks: gone when disposed of. */
export interface View extends Disposable {
  readonly path: string
}

/** Settings of overlay, beside the directories: a flag or a value each. */
export type OverlaySettings = readonly (readonly [key: string, value: string | true])[]

/** A way to mount overlays. */
export interface Mounter {
  /** @param target an empty directory */
  mount(stack: Stack, target: string, request: MountRequest): void
  /** All layers of a stack as one read-only tree, to be read by this process. */
  view(stack: Stack): View
}

/**
 * The ways there are, the best first.
 * - `descriptors`: step by step, directories as descriptors (Linux 6.13).
 * - `strings`: step by step, directories one by one as paths (Linux 6.7).
 * - `options`: all at once, in one page of options (mount(2)).
 * - `fuse`: by processes of fuse-overlayfs, which the kernel allows to whom it allows none of these.
 */
export const MOUNT_METHODS = ['descriptors', 'strings', 'options', 'fuse'] as const

/** One of {@link MOUNT_METHODS}. */
export type MountMethod = (typeof MOUNT_METHODS)[number]

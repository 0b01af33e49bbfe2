import type { FileBasicInfo } from '@varve/sys'

/** Takes the files that the service is to import: a folder, or the service itself. */
export interface Sink extends AsyncDisposable {
  add(name: string, info: FileBasicInfo): Promise<void>
  write(bytes: Uint8Array): Promise<void>
  /** Gives a file that was added one more name. */
  alias(name: string, target: string): Promise<void>
  /** Forgets what was added by this name. */
  drop(name: string): Promise<void>
  reopen(name: string): AsyncIterable<Uint8Array>
  /** Hands everything to the service; after it the layer's folder has the files. */
  import(hidden: readonly string[]): Promise<void>
}

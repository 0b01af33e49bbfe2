import type { WindowsLibraries } from '@varve/sys'
import type { ImportedTar } from '../../../layer/import-tar.ts'
import type { SentError } from './sent-error.ts'

/** What a process is told that is to import a layer; the tar follows. */
export interface ImportJob {
  /** The driver's home. */
  readonly home: string
  /** The service's name of the layer. */
  readonly id: string
  /** Folders of the layers beneath, nearest first. */
  readonly chain: readonly string[]
  readonly compat: 'v1.11' | 'current'
  /** Where payloads go that the layer does not keep. */
  readonly asideDir: string
  readonly service: ServiceOfChild
}

/** The service that the process opens for itself. */
export type ServiceOfChild =
  | { readonly kind: 'windows'; readonly libraries: WindowsLibraries }
  | { readonly kind: 'directories'; readonly streaming: boolean; readonly tp4: boolean }

/** What the process says in the end; names of payloads in base64. */
export type ImportAnswer =
  | { readonly size: number; readonly displaced: readonly SentPayload[] }
  | { readonly failure: SentError }

/** A payload of the tar that the layer does not keep. */
export type SentPayload = Omit<ImportedTar['displaced'][number], 'name'> & { readonly name: string }

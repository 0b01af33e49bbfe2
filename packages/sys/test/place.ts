import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

/** A new directory that is gone at the end of the scope. */
export function place(): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'varve-sys-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export const isLinux: boolean = process.platform === 'linux'
export const isRoot: boolean = process.getuid?.() === 0

const encoder = new TextEncoder()
export const bytes = (text: string): Uint8Array => encoder.encode(text)
export const text = (data: Uint8Array): string => new TextDecoder().decode(data)

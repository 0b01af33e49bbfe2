import { applyLayer } from '@varve/archive'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  type CallOptions,
  cleanUp,
} from '@varve/core'
import { findLayer } from '../home.ts'
import type { Parts } from '../parts.ts'

/** Applies a tar on a layer; payloads that it no longer holds are kept aside. */
export async function applyDiff(
  { home, sys, asides, keeps }: Parts,
  id: CacheID,
  tar: ByteSource,
  options: CallOptions,
): Promise<AppliedDiff> {
  const path = await findLayer(home, id)
  const aside = await asides.open()
  try {
    const applied = await applyLayer(path, tar, {
      ...options,
      sys,
      asideDir: aside.path,
      keepOwner: keeps.owner,
    })
    return {
      size: applied.size,
      displaced: applied.displaced,
      async [Symbol.asyncDispose]() {
        await applied[Symbol.asyncDispose]()
        await aside[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    throw await cleanUp(error, () => aside[Symbol.asyncDispose]())
  }
}

import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type Images, makeImages } from './images.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    images: Images
    /** Where tests put what they make. */
    workDir: string
  }
}

/** Makes what all interop tests share, in `VARVE_WORK_DIR`, or a directory that is kept in /tmp. */
export async function setup(project: TestProject): Promise<void> {
  const workDir = process.env.VARVE_WORK_DIR ?? join(tmpdir(), 'varve-interop')
  await mkdir(workDir, { recursive: true })
  project.provide('images', await makeImages(workDir))
  project.provide('workDir', workDir)
}

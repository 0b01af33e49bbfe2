/** Reading through a mount, and what makes the kernel forget what it has read. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../interop/run.ts'
import type { Command } from '../harness/measure.ts'

/** Reads one small file, in milliseconds; in a new mount every name of its path is looked up anew. */
export function readOne(root: string, name: string): number {
  const path = join(root, name)
  const started = performance.now()
  const content = readFileSync(path)
  const ms = performance.now() - started
  if (content.length === 0) throw new Error(`Cannot measure: ${name} is empty`)
  return ms
}

/** Every regular file's content. tar would skip the reading where it writes to /dev/null. */
export function readAll(root: string): Command {
  const script = 'find "$1" -xdev -type f -print0 | xargs -0 cat > /dev/null'
  return { argv: ['sh', '-c', script, 'sh', root] }
}

/** Empties the machine's caches of names, inodes and contents: proc_sys_vm(5), drop_caches. */
export async function dropCaches(): Promise<void> {
  await run('sync', [])
  await writeFile('/proc/sys/vm/drop_caches', '3')
  // The tools that read are no part of the question.
  await run('sh', ['-c', 'find /proc/self/fdinfo -type f -print0 | xargs -0 cat > /dev/null'], {
    allow: [123],
  })
  await run('/usr/bin/time', ['true'])
}

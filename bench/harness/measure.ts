/** Wall time, processor time and peak memory of commands, a daemon's share included. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { medianOf } from './tables.ts'

/** What one run cost. */
export interface Cost {
  readonly wallSeconds: number
  /** User and system, of the command, its children, and the daemon that worked for it. */
  readonly cpuSeconds: number
  /** Peak resident memory of the largest process, in MB (10^6 bytes). */
  readonly peakMB: number
}

/** A command, and the daemon to whose account its work goes too. */
export interface Command {
  readonly argv: readonly [string, ...string[]]
  readonly daemonPid?: number | undefined
}

const exec = promisify(execFile)
/** GNU time, which the shell's builtin is not: it tells the peak memory. */
const TIME = '/usr/bin/time'
const TICKS_PER_SECOND = 100 // getconf CLK_TCK, the same on every Linux of today

/** Runs a command once. */
export async function measure({ argv, daemonPid }: Command): Promise<Cost> {
  if (!existsSync(TIME))
    throw new Error(`Cannot measure: ${TIME} is missing (apt-get install time)`)
  if (daemonPid !== undefined) writeFileSync(`/proc/${daemonPid}/clear_refs`, '5') // proc(5): resets VmHWM
  const before = daemonPid === undefined ? 0 : cpuOf(daemonPid)
  const started = performance.now()
  const { stderr } = await exec(TIME, ['-f', 'cost %U %S %M', ...argv], { maxBuffer: 1 << 28 })
  const wallSeconds = (performance.now() - started) / 1000
  const [, user, system, peakKiB] = /cost ([\d.]+) ([\d.]+) (\d+)\s*$/.exec(stderr) ?? []
  if (peakKiB === undefined) throw new Error(`Cannot read the cost of ${argv[0]} in: ${stderr}`)
  const daemonCpu = daemonPid === undefined ? 0 : cpuOf(daemonPid) - before
  const daemonPeak = daemonPid === undefined ? 0 : peakOf(daemonPid)
  return {
    wallSeconds,
    cpuSeconds: Number(user) + Number(system) + daemonCpu,
    peakMB: (Math.max(Number(peakKiB), daemonPeak) * 1024) / 1e6,
  }
}

/** Processor seconds of a process and those of its children that it has waited for. */
function cpuOf(pid: number): number {
  // proc(5): the second field, in parentheses, may hold spaces; 14 to 17 are the times.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

/** By each measure on its own. */
export function median(costs: readonly Cost[]): Cost {
  return {
    wallSeconds: medianOf(costs.map((cost) => cost.wallSeconds)),
    cpuSeconds: medianOf(costs.map((cost) => cost.cpuSeconds)),
    peakMB: medianOf(costs.map((cost) => cost.peakMB)),
  }
}

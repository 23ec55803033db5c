import { readdirSync, readFileSync } from 'node:fs'

/** How often the memory of the running programs is looked at, in milliseconds. */
const SAMPLE_EVERY = 50
/** Ticks of the kernel's CPU accounting in a second. */
const TICKS = 100

/** What one piece of work took. */
export interface Usage {
  readonly seconds: number
  /** Seconds of all cores together, of every program that was run. */
  readonly cpuSeconds: number
  /** Peak resident bytes of the program that was followed first. */
  readonly mainPeak: number
  /** Peak of all programs together at one moment; what they share is counted once. */
  readonly treePeak: number
}

/** Looks at a program and at all that it starts, from now on. */
export type Follow = (pid: number) => void

/** Measures `work`, which has `follow` look at the programs that it starts and waits for their end. */
export async function measure(work: (follow: Follow) => Promise<void>): Promise<Usage> {
  const roots: number[] = []
  let mainPeak = 0
  let treePeak = 0
  const look = () => {
    const [main] = roots
    if (main !== undefined) mainPeak = Math.max(mainPeak, peakOf(main))
    const tree = roots.flatMap(withDescendants)
    treePeak = Math.max(
      treePeak,
      tree.reduce((sum, pid) => sum + shareOf(pid), 0),
    )
  }
  const cpuBefore = childrenCpu()
  const start = performance.now()
  const timer = setInterval(look, SAMPLE_EVERY)
  try {
    await work((pid) => roots.push(pid))
  } finally {
    clearInterval(timer)
  }
  const seconds = (performance.now() - start) / 1000
  return { seconds, cpuSeconds: childrenCpu() - cpuBefore, mainPeak, treePeak }
}

/** Resident bytes of a process now, by name: `VmRSS`, `VmHWM`; 0 when it is gone. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  return kibibytes(readProc(`${pid}/status`), field)
}

function peakOf(pid: number): number {
  return memoryOf(pid, 'VmHWM')
}

/** Proportional share of resident memory: a page that two programs share is half of each. */
export function shareOf(pid: number): number {
  return kibibytes(readProc(`${pid}/smaps_rollup`), 'Pss')
}

function kibibytes(text: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)
  return Number(found?.[1] ?? 0) * 1024
}

function withDescendants(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    readProc(`${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(withDescendants)]
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** User and system time of all children that have ended and been waited for, and of theirs. */
function childrenCpu(): number {
  const [, rest = ''] = readProc('self/stat').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[13]) + Number(fields[14])) / TICKS
}

/** Empty for a process that has ended. */
function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'latin1')
  } catch {
    return ''
  }
}

/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

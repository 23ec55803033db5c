import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { readable, unquote } from './names.ts'

/** What an archive holds, as `tar --verbose --verbose --index-file` told. */
export interface Contents {
  /** Members, the root among them. */
  readonly entries: number
  /** Paths of the device nodes, at most a thousand of them; `./dev/null`. */
  readonly devices: readonly string[]
  readonly deviceCount: number
}

const MAX_DEVICES = 1000
/** `crw-rw-rw- 0/0  1,3 2026-01-01 00:00 ./null`; the name may hold blanks. */
const DEVICE = /^[cb]\S+ +\S+ +\d+, *\d+ +\S+ +\S+ (.*)$/

/** Reads the index line by line; tar quotes newlines in names, so that a line is a member. */
export async function readIndexFile(path: string, signal: AbortSignal): Promise<Contents> {
  const devices: string[] = []
  let entries = 0
  let deviceCount = 0
  const input = createReadStream(path, { encoding: 'latin1', signal })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    entries++
    const device = /^[cb]/.test(line) ? DEVICE.exec(line)?.[1] : undefined
    if (device === undefined) continue
    deviceCount++
    if (devices.length < MAX_DEVICES) devices.push(readable(unquote(device)))
  }
  return { entries, devices, deviceCount }
}

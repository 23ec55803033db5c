import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { MAX_NAMED, readable, unquote } from './names.ts'

/** What an archive holds, as `tar --verbose --verbose --index-file` told. */
export interface Contents {
  /** Members, the root among them. */
  readonly entries: number
  /** Paths of the device nodes, at most a thousand of them; `./dev/null`. */
  readonly devices: readonly string[]
  readonly deviceCount: number
  /** Paths that tar can archive but not unpack, at most twenty of them, shortened. */
  readonly tooLong: readonly string[]
  readonly tooLongCount: number
}

/** The kernel's PATH_MAX without its end mark; tar unpacks by whole names. */
const LONGEST_PATH = 4095

const MAX_DEVICES = 1000
/** `-rw-r--r-- 0/0  12 2026-01-01 00:00 ./name`, a device `1,3` for a size; blanks may be in the name. */
const MEMBER = /^\S+ +\S+ +\d+(?:, *\d+)? +\S+ +\S+ (.*)$/

/** Reads the index line by line; tar quotes newlines in names, so that a line is a member. */
export async function readIndexFile(path: string, signal: AbortSignal): Promise<Contents> {
  const reader = indexReader()
  const input = createReadStream(path, { encoding: 'latin1', signal })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    reader.take(line)
  }
  return reader.contents()
}

/** Takes the lines of an index as they come, one character for one byte. */
export interface IndexReader {
  take(line: string): void
  contents(): Contents
}

export function indexReader(): IndexReader {
  const devices: string[] = []
  const tooLong: string[] = []
  const found = { entries: 0, deviceCount: 0, tooLongCount: 0 }
  return {
    take(line) {
      found.entries++
      const isDevice = line.startsWith('c') || line.startsWith('b')
      if (!isDevice && line.length <= LONGEST_PATH) return
      const name = nameIn(line)
      if (isDevice && found.deviceCount++ < MAX_DEVICES) devices.push(readable(name))
      if (lengthOf(name) > LONGEST_PATH && found.tooLongCount++ < MAX_NAMED) {
        tooLong.push(`${readable(name.subarray(0, 60))}…`)
      }
    },
    contents: () => ({ ...found, devices, tooLong }),
  }
}

/** The member's own name; links are listed as `name -> target` and `name link to target`. */
export function nameIn(line: string): Buffer {
  const text = MEMBER.exec(line)?.[1] ?? ''
  const isLink = line.startsWith('l') || line.startsWith('h')
  return unquote(isLink ? text.replace(/(?: -> | link to ).*$/, '') : text)
}

function lengthOf(name: Buffer): number {
  return name.at(-1) === 0x2f ? name.length - 1 : name.length
}

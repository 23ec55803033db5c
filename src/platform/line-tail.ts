import { StringDecoder } from 'node:string_decoder'

/** Lines of stderr that are kept: the first half of them and the last. */
export const STDERR_LINES = 1000
/** A longer line is cut. */
const LINE_LENGTH = 2000

/** Lines of what a program says, split as they come. */
export interface LineTail {
  push(chunk: Buffer): void
  end(): void
  lines(): readonly string[]
  total(): number
}

/** Splits text into lines and keeps the first and the last of them, in bounded memory. */
export function lineTail(onLine: (line: string) => void): LineTail {
  const decoder = new StringDecoder('utf8')
  const half = STDERR_LINES / 2
  const first: string[] = []
  const last: string[] = []
  let total = 0
  let open = ''
  const add = (line: string) => {
    total++
    if (first.length < half) first.push(line)
    else {
      last.push(line)
      // Cut now and then, for shifting one by one costs its length each time.
      if (last.length >= 2 * half) last.splice(0, half)
    }
    onLine(line)
  }
  return {
    push(chunk) {
      const parts = decoder.write(chunk).split('\n')
      const rest = parts.pop() ?? ''
      for (const part of parts) {
        add((open + part).slice(0, LINE_LENGTH))
        open = ''
      }
      open = (open + rest).slice(0, LINE_LENGTH)
    },
    end() {
      if (open !== '') add(open)
      open = ''
    },
    lines: () => [...first, ...last.slice(-half)],
    total: () => total,
  }
}

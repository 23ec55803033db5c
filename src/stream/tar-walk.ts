/** Goes from header to header of a tar that passes by, to tell whether it is whole. */
export interface TarWalk {
  /**
   * The next bytes. Keeps nothing of `chunk`: whoever reads on gives its memory back. Throws
   * `RangeError` where a header has no size that can be read.
   */
  take(chunk: Buffer): void
  /** Whether the end mark was there: zeros inside a file are none. */
  isWhole(): boolean
}

const BLOCK = 512
/** The end mark: two blocks of zeros where a header would be. */
const END_BLOCKS = 2
/** Size and kind of a member, in a header (POSIX ustar). */
const SIZE = { from: 124, to: 136 }
const KIND = 156
/** Its path; what does not fit in is in front, up to a slash between, where POSIX wrote the header. */
const NAME = { from: 0, to: 100 }
const PREFIX = { from: 345, to: 500 }
const POSIX = { from: 257, to: 263, is: 'ustar\0' }
/** Headers that tell of the next member, or of all: POSIX records, and the long names of GNU. */
const ABOUT_OTHERS = 'xgLK'
/** Records about the next member (`x`); longer ones than this are no records of a size. */
const MOST_RECORDS = 1 << 20

/** `onMember` hears of each member as it comes, by the begin of its path: 100 bytes or more. */
export function walkTar(onMember: (name: string) => void = () => {}): TarWalk {
  let zeros = 0
  /** What is left of the content of the member, with its padding. */
  let left = 0
  let block: Buffer[] = []
  let missing = BLOCK
  let records: Buffer[] | null = null
  /** A size that the octal digits of the next header are too few for. */
  let nextSize: number | null = null

  const readHeader = (header: Buffer) => {
    if (header.every((byte) => byte === 0)) {
      zeros++
      return
    }
    zeros = 0
    const kind = String.fromCharCode(header[KIND] ?? 0)
    const isRecords = kind === 'x'
    const size = isRecords ? sizeOf(header) : (nextSize ?? sizeOf(header))
    left = Math.ceil(size / BLOCK) * BLOCK
    if (isRecords) records = size <= MOST_RECORDS ? [] : null
    else nextSize = null
    if (!ABOUT_OTHERS.includes(kind)) onMember(nameIn(header))
  }
  const closeRecords = () => {
    if (records === null) return
    const told = /(?:^|\n)\d+ size=(\d+)\n/.exec(Buffer.concat(records).toString('latin1'))
    nextSize = told ? Number(told[1]) : nextSize
    records = null
  }
  /** Takes what it can; returns how many bytes that were. */
  const step = (rest: Buffer): number => {
    if (left > 0) {
      const piece = rest.subarray(0, left)
      records?.push(Buffer.from(piece))
      left -= piece.length
      if (left === 0) closeRecords()
      return piece.length
    }
    const piece = rest.subarray(0, missing)
    block.push(Buffer.from(piece))
    missing -= piece.length
    if (missing === 0) {
      const header = Buffer.concat(block)
      block = []
      missing = BLOCK
      readHeader(header)
    }
    return piece.length
  }
  return {
    take(chunk) {
      for (let at = 0; at < chunk.length; ) at += step(chunk.subarray(at))
    },
    isWhole: () => left === 0 && missing === BLOCK && zeros >= END_BLOCKS,
  }
}

function nameIn(header: Buffer): string {
  const isPosix = header.toString('latin1', POSIX.from, POSIX.to) === POSIX.is
  const prefix = isPosix ? wordIn(header, PREFIX) : ''
  const name = wordIn(header, NAME)
  return prefix === '' ? name : `${prefix}/${name}`
}

function wordIn(header: Buffer, { from, to }: typeof NAME): string {
  const field = header.subarray(from, to)
  const end = field.indexOf(0)
  return field.toString('latin1', 0, end < 0 ? field.length : end)
}

/** Octal digits, or GNU's form for more than 8 GiB: the first bit set, then a number of 88 bits. */
function sizeOf(header: Buffer): number {
  const field = header.subarray(SIZE.from, SIZE.to)
  const [first = 0] = field
  if ((first & 0x80) !== 0) return Number(BigInt(`0x${field.toString('hex')}`) & ((1n << 88n) - 1n))
  const digits = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .trim()
  if (!/^[0-7]*$/.test(digits)) throw new RangeError('a header of the tar has no size')
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

import { writeFile } from 'node:fs/promises'

/** One member of a tar written by hand, byte by byte, as no honest program would. */
export interface Member {
  readonly name: string
  readonly type: keyof typeof TYPES
  readonly link?: string
  readonly content?: string
  /** Octal digits; 755 unless told. */
  readonly mode?: string
}

const TYPES = { file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', folder: '5' }
const BLOCK = 512

/** Writes `members` in this order as an archive with its end marks. */
export async function writeTar(path: string, members: readonly Member[]): Promise<void> {
  await writeFile(path, tarOf(members))
}

/** The bytes of an archive of `members`. */
export function tarOf(members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)])
}

function blocksOf({ name, type, link = '', content = '', mode = '755' }: Member): Buffer[] {
  const header = Buffer.alloc(BLOCK)
  const body = Buffer.from(content)
  const put = (at: number, text: string) => header.write(text, at, 'latin1')
  put(0, name)
  put(100, mode.padStart(7, '0'))
  put(108, '0000000')
  put(116, '0000000')
  put(124, body.length.toString(8).padStart(11, '0'))
  put(136, '00000000000')
  put(148, '        ')
  put(156, TYPES[type])
  put(157, link)
  put(257, 'ustar\0')
  put(263, '00')
  put(329, '0000001')
  put(337, '0000003')
  const sum = header.reduce((total, byte) => total + byte, 0)
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
  return [header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]
}

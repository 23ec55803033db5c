import { open } from 'node:fs/promises'

/** Makes a file of so many bytes that nothing compresses by much; it is on the disk when it resolves. */
export async function writeNoise(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'wx')
  const noise = crypto.getRandomValues(Buffer.alloc(65_536))
  const piece = Buffer.concat(Array.from({ length: 16 }, () => noise))
  for (let left = bytes; left > 0; left -= piece.length) await file.write(piece.subarray(0, left))
  await file.sync()
}

/** A step that bytes pass through at once; what comes out goes to the callback it was made with. */
export interface Stage {
  push(chunk: Uint8Array): void
  /** No more will be pushed. */
  end(): void
}

const NOTHING = new Uint8Array(0)

/**
 * Cuts a stream into pieces of `size`, the last one shorter or equal, empty only for an empty stream.
 * A piece is given once it is known whether another one follows; it is good until `onPiece` returns.
 * The pushed chunks must not be changed afterwards.
 */
export function slicer(
  size: number,
  onPiece: (piece: Uint8Array, place: 'inner' | 'last') => void,
): Stage {
  let held: Uint8Array = NOTHING
  // Where `held` grows once it is too short to stay where it came from. One for all: what is
  // allocated for each piece costs more in collecting than the cipher.
  const room = Buffer.allocUnsafeSlow(size)

  const fill = (chunk: Uint8Array): Uint8Array => {
    const part = chunk.subarray(0, size - held.length)
    if (held.buffer !== room.buffer) room.set(held)
    room.set(part, held.length)
    held = room.subarray(0, held.length + part.length)
    return chunk.subarray(part.length)
  }
  return {
    push(chunk) {
      let rest = chunk
      if (held.length > 0 && held.length < size) rest = fill(rest)
      if (rest.length === 0) return
      if (held.length > 0) onPiece(held, 'inner')
      while (rest.length > size) {
        onPiece(rest.subarray(0, size), 'inner')
        rest = rest.subarray(size)
      }
      held = rest
    },
    end: () => onPiece(held, 'last'),
  }
}

/** Large enough that a write is worth its call, small enough that a dozen of them are nothing. */
const BLOCK = 512 * 1024

/** Gathers small pieces into blocks of half a MiB; larger ones pass as they are. */
export function gather(onBlock: (block: Uint8Array) => void): Stage {
  let block: Buffer | null = null
  let used = 0
  const flush = () => {
    if (block !== null && used > 0) onBlock(block.subarray(0, used))
    block = null
    used = 0
  }
  return {
    push(chunk) {
      if (used + chunk.length > BLOCK) flush()
      if (chunk.length >= BLOCK) return onBlock(chunk)
      block ??= Buffer.allocUnsafeSlow(BLOCK)
      block.set(chunk, used)
      used += chunk.length
    },
    end: flush,
  }
}

/** A step that bytes pass through at once; what comes out goes to the callback it was made with. */
export interface Stage {
  /** Keeps nothing of `chunk`: when it returns, its memory may be used for other things. */
  push(chunk: Uint8Array): void
  /** No more will be pushed. */
  end(): void
}

/**
 * Cuts a stream into pieces of `size`, the last one shorter or equal, empty only for an empty stream.
 * A piece is given once it is known whether another one follows; it is good until `onPiece` returns.
 */
export function slicer(
  size: number,
  onPiece: (piece: Uint8Array, place: 'inner' | 'last') => void,
): Stage {
  // One for all: what is allocated for each piece costs more in collecting than the cipher.
  const room = Buffer.allocUnsafeSlow(size)
  let held = 0
  const fill = (chunk: Uint8Array): Uint8Array => {
    const part = chunk.subarray(0, size - held)
    room.set(part, held)
    held += part.length
    return chunk.subarray(part.length)
  }
  return {
    push(chunk) {
      let rest = held > 0 ? fill(chunk) : chunk
      if (rest.length === 0) return
      if (held > 0) onPiece(room, 'inner')
      while (rest.length > size) {
        onPiece(rest.subarray(0, size), 'inner')
        rest = rest.subarray(size)
      }
      held = 0
      fill(rest)
    },
    end: () => onPiece(room.subarray(0, held), 'last'),
  }
}

/** Below this the collector is quicker than we are. */
const WORTH_GIVING_BACK = 16 * 1024

/**
 * Frees the memory of a chunk that nobody will look at again. Left to the collector, the pieces of
 * a gigabyte cost as much time as encrypting it, and 30 MB. Memory that is shared with others, as
 * that of small buffers is, stays.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (byteLength < WORTH_GIVING_BACK || byteLength !== buffer.byteLength) return
  if (buffer instanceof ArrayBuffer) buffer.transferToFixedLength(0)
}

/** Large enough that a write is worth its call, small enough that a dozen of them are nothing. */
const BLOCK = 512 * 1024

/** Gathers pieces into blocks of half a MiB. */
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
      block ??= Buffer.allocUnsafeSlow(Math.max(BLOCK, chunk.length))
      block.set(chunk, used)
      used += chunk.length
    },
    end: flush,
  }
}

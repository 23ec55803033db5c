/** Chunks that the fastest consumer may be ahead of the slowest. */
const AHEAD = 4

interface Branch {
  readonly queue: Uint8Array[]
  readonly waiting: ((result: Promise<IteratorResult<Uint8Array>>) => void)[]
  dropped: boolean
}

type End = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly error: unknown }

/**
 * One body to `count` consumers, each to be read once. It is read once and no faster than the
 * slowest consumer reads, so every one must be read or let go (`return` of its iterator, also when it
 * was never begun). One that was let go holds up nobody; when all were, the body is let go. A failure
 * of the body reaches all at once.
 */
export function fanOut(
  body: AsyncIterable<Uint8Array>,
  count: number,
): readonly AsyncIterable<Uint8Array>[] {
  const source = body[Symbol.asyncIterator]()
  const branches = Array.from({ length: count }, newBranch)
  let reading = false
  let end: End | null = null

  const finish = (how: End) => {
    end ??= how
    for (const branch of branches) {
      for (const resolve of branch.waiting.splice(0)) resolve(ended(end))
      if (end.kind === 'failed') branch.queue.length = 0
    }
  }
  const hand = (chunk: Uint8Array) => {
    for (const branch of branches) {
      const waiter = branch.waiting.shift()
      if (waiter) waiter(Promise.resolve({ done: false, value: chunk }))
      else if (!branch.dropped) branch.queue.push(chunk)
    }
  }
  const hungry = () => {
    const live = branches.filter(({ dropped }) => !dropped)
    return live.length > 0 && live.every(({ queue }) => queue.length < AHEAD)
  }
  const pump = async () => {
    if (reading) return
    reading = true
    try {
      while (end === null && hungry()) {
        const next = await source.next()
        if (next.done) finish({ kind: 'done' })
        else hand(next.value)
      }
    } catch (error) {
      finish({ kind: 'failed', error })
    } finally {
      reading = false
    }
  }
  const drop = async (branch: Branch) => {
    if (branch.dropped) return
    branch.dropped = true
    branch.queue.length = 0
    for (const resolve of branch.waiting.splice(0)) resolve(ended({ kind: 'done' }))
    if (!branches.every(({ dropped }) => dropped)) return void pump()
    if (end !== null) return
    end = { kind: 'done' }
    // What the body still has to say concerns nobody any more.
    await source.return?.().catch(() => {})
  }
  const next = (branch: Branch): Promise<IteratorResult<Uint8Array>> => {
    const chunk = branch.queue.shift()
    if (chunk) {
      void pump()
      return Promise.resolve({ done: false, value: chunk })
    }
    if (branch.dropped || end !== null) return ended(branch.dropped ? { kind: 'done' } : end)
    const result = new Promise<IteratorResult<Uint8Array>>((resolve) =>
      branch.waiting.push(resolve),
    )
    void pump()
    return result
  }
  return branches.map((branch) =>
    iterable(
      () => next(branch),
      () => drop(branch),
    ),
  )
}

function newBranch(): Branch {
  return { queue: [], waiting: [], dropped: false }
}

function ended(end: End | null): Promise<IteratorResult<Uint8Array>> {
  return end?.kind === 'failed'
    ? Promise.reject(end.error)
    : Promise.resolve({ done: true, value: undefined })
}

function iterable(
  next: () => Promise<IteratorResult<Uint8Array>>,
  drop: () => Promise<void>,
): AsyncIterable<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = {
    next,
    async return() {
      await drop()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

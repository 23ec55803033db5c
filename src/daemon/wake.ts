/** A wake-up says only "look again", never what changed, so a lost or doubled one costs nothing. */
export interface Wake {
  readonly wake: () => void
  /** Resolves at the next wake-up, at the latest after `millis`, at once when one came since the last wait. */
  wait(millis: number, signal: AbortSignal): Promise<void>
}

/** A new alarm clock, not ringing. */
export function createWake(): Wake {
  let ringing = false
  let resolve: () => void = () => {}
  return {
    wake() {
      ringing = true
      resolve()
    },
    async wait(millis, signal) {
      if (!ringing && !signal.aborted) await ring(millis, signal, (how) => (resolve = how))
      ringing = false
    },
  }
}

async function ring(
  millis: number,
  signal: AbortSignal,
  listen: (resolve: () => void) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, millis)
  const stop = () => resolve()
  signal.addEventListener('abort', stop, { once: true })
  listen(resolve)
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
}

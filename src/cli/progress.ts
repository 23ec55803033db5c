import type { Progress } from '../observe/world.ts'
import { progressLine } from '../view/progress.ts'
import type { Context, GlobalFlags } from './context.ts'

/** How long work shows on a terminal. */
export interface ProgressView {
  readonly show: (progress: Progress) => void
  /** Takes the line away, so that another can be written. */
  readonly clear: () => void
  readonly end: () => void
}

/** Redraws in milliseconds; more often is flicker. */
const EVERY = 100

/** A line that is drawn again and again on a terminal, and nothing elsewhere. */
export function createProgress(context: Context, flags: GlobalFlags): ProgressView {
  if (!context.terminal.progress || flags.quiet || flags.json) {
    return { show: () => {}, clear: () => {}, end: () => {} }
  }
  const began = new Map<string, number>()
  let drawnAt = 0
  const clear = () => context.terminal.draw('\r\u001b[2K')
  return {
    show(progress) {
      const now = performance.now()
      const since = began.get(progress.subject) ?? now
      began.set(progress.subject, since)
      if (now - drawnAt < EVERY) return
      drawnAt = now
      clear()
      context.terminal.draw(progressLine(progress, now - since, context.terminal.columns))
    },
    clear,
    end: clear,
  }
}

import { startTimer } from '../lib/limits.ts'

/**
 * `work`, or a rejection after `millis`: whoever hangs is left behind. What it comes to later is
 * given to `late`, and its failure concerns nobody any more.
 */
export function within<T>(
  work: Promise<T>,
  millis: number,
  what: string,
  late: (value: T) => unknown = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false
    const timer = startTimer(millis, () => {
      isLate = true
      reject(new Error(`${what}: no answer within ${millis / 1000} s`))
    })
    work.then(
      (value) => {
        timer.cancel()
        if (isLate) late(value)
        else resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}

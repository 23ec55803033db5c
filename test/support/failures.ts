import { Failure } from '../../src/lib/errors.ts'

/** What `work` fails with on purpose; anything else, success too, is an error of its own. */
export async function failureOf(work: Promise<unknown>): Promise<Failure> {
  const error = await work.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof Failure))
    throw new Error(`no failure but ${String(error)}`, { cause: error })
  return error
}

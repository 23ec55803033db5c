import { hostname } from 'node:os'
import type { Context } from './context.ts'

/** Who asks: as they say, else by their account and host. */
export function authorOf(
  { author }: { readonly author?: string },
  { env }: Pick<Context, 'env'>,
): string {
  return author ?? `${env.USER || 'somebody'}@${hostname()}`
}

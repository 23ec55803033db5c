import { formatEngineAddress } from '../../core/engine-address.ts'
import type { Bytes } from '../../core/model.ts'
import { lookAtContainer } from '../../docker/containers.ts'
import { openEngine } from '../../docker/engine.ts'
import { relayed } from '../../docker/relayed.ts'
import { Failure, messageOf, SourceFailed } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/size.ts'
import { counted } from '../../platform/counted.ts'
import { failureOf, type Program } from '../../platform/program.ts'
import type { Dump, SourceContext } from '../source.ts'
import type { InContainer, ServerSettings } from './settings.ts'

/** What the server's own program dumps, counted on its way. */
export async function dumpServer(
  settings: ServerSettings,
  context: SourceContext,
  signal: AbortSignal,
): Promise<Dump> {
  const { dialect, container, databases, minSize } = settings
  const program = await inContainer(settings, false, signal, (env) => dialect.dump(env, databases))
  const { end, chatter } = dialect
  const run = counted(program, { ...context, tail: end.bytes })
  return {
    content: { kind: 'program', program: run.program },
    async finish(exit) {
      const account = await run.account(exit)
      const stderr = account?.exit.stderr.filter((line) => !chatter?.test(line)) ?? []
      const failure = account && failureOf({ ...account.exit, stderr })
      if (!account || failure) {
        const said = failure?.tail || failure?.message || 'it was not run'
        const hint = hintOf(said, settings)
        const more = hint === null ? {} : { hint }
        throw new SourceFailed(`dump of container ${container} failed: ${said}`, more)
      }
      const bytes = (account.bytes ?? 0) as Bytes
      if (account.bytes === null || bytes < minSize) {
        const size = `${formatBytes(bytes)}, less than min_size, ${formatBytes(minSize)}`
        throw new SourceFailed(`the dump of container ${container} has ${size}`, {
          hint: 'look at what the server holds; when that is right, lower min_size',
        })
      }
      if (!end.isThere(account.tail)) {
        const { hint, otherwise } = end
        throw new SourceFailed(`the dump of container ${container} ${otherwise}`, { hint })
      }
      return {
        facts: { container, dumpBytes: bytes, databases },
        warnings: stderr.slice(0, 20),
        contentBytes: bytes,
      }
    },
    [Symbol.asyncDispose]: () => run.remove(),
  }
}

/** The password of the environment counts when the server makes its data, and not afterwards. */
function hintOf(said: string, { container, dialect }: ServerSettings): string | null {
  if (!/Access denied|Authentication failed/i.test(said)) return null
  const names = dialect.passwords.join(' or ')
  return `let ${container} have the present password in its environment: ${names}`
}

/** A program of the container, as one of this host. Throws `SourceFailed` when it does not run. */
export async function inContainer(
  { host, container }: ServerSettings,
  hasInput: boolean,
  signal: AbortSignal,
  choose: (env: Readonly<Record<string, string>>) => InContainer,
): Promise<Program> {
  const { env, state } = await lookAtContainer(await openEngine(host), container, signal).catch(
    (error: unknown) => {
      signal.throwIfAborted()
      const hint = error instanceof Failure && error.hint !== null ? { hint: error.hint } : {}
      throw new SourceFailed(messageOf(error), { cause: error, ...hint })
    },
  )
  if (state !== 'running') {
    const hint = state === 'paused' ? `docker unpause ${container}` : `docker start ${container}`
    throw new SourceFailed(`container ${container} is ${state}, so its server cannot be asked`, {
      hint,
    })
  }
  const program = { container, ...choose(env) }
  return relayed({ host: formatEngineAddress(host), program, hasInput })
}

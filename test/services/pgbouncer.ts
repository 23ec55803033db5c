import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, freePorts, startDaemon, untilUp } from './processes.ts'

/** A real PgBouncer in transaction pooling, on the loopback. */
export interface PgBouncer extends AsyncDisposable {
  readonly port: number
  /** The address of the same database through it. */
  through(url: string): string
}

/**
 * Starts PgBouncer in front of the server on that port, as Debian ships it but for the pooling: what
 * it refuses there, it refuses here. With as few connections as it takes for two transactions at once,
 * unless told.
 */
export async function startPgBouncer(
  server: { readonly port: number },
  connections = 2,
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pgbouncer-'))
  const [port = 0] = await freePorts(1)
  const isRoot = process.getuid?.() === 0
  const as = isRoot ? ['--reuid=postgres', '--regid=postgres', '--init-groups'] : []
  const conf = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users')
  await writeFile(users, '"app" "correct horse"\n')
  await writeFile(
    conf,
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${connections}
`,
  )
  if (isRoot) {
    const id = Number(await call('id', ['-u', 'postgres']))
    for (const file of [folder, conf, users]) await chown(file, id, -1)
  }
  const daemon = startDaemon(join(folder, 'log'), 'pgbouncer', [conf], as)
  const through = (url: string) => url.replace(`:${server.port}/`, `:${port}/`)
  const dispose = async () => {
    await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const url = `postgres://app:correct%20horse@127.0.0.1:${port}/postgres`
    await untilUp([daemon], async () => (await call('psql', [url, '-XAtqc', 'select 1'])) === '1\n')
  } catch (error) {
    await dispose()
    throw error
  }
  return { port, through, [Symbol.asyncDispose]: dispose }
}

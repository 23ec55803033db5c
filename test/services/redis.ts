import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, type Daemon, freePorts, isFree, startDaemon, untilUp } from './processes.ts'

/** One server of a Redis. Its data is in memory alone: a crash forgets it. */
export interface RedisServer {
  readonly port: number
  /** What `redis-cli` prints. */
  cli(...args: readonly string[]): Promise<string>
  /** SIGKILL. */
  crash(): Promise<void>
  /** Starts it again, empty, where it was. */
  restart(): Promise<void>
  /** SIGSTOP: it takes connections and answers nothing. */
  stall(): void
  /** SIGCONT. */
  revive(): void
  flush(): Promise<void>
}

export interface RedisPlace extends AsyncDisposable {
  /** For `redis:` of a config. */
  readonly url: string
  /** Those that hold data; of a place with replicas, the first primary is first. */
  readonly servers: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]
}

/** One server alone; `user` and `password` are asked for where they are given. */
export async function startRedis(login?: {
  readonly user: string
  readonly password: string
}): Promise<RedisPlace> {
  const place = newPlace()
  const [server] = await place.start(1, () => [])
  await untilAnswering([server])
  const at = `127.0.0.1:${server?.port}/0`
  if (!login) return place.of(`redis://${at}`, [server], [])
  const { user, password } = login
  await server?.cli('acl', 'setuser', user, 'on', `>${password}`, 'allkeys', 'allcommands')
  await server?.cli('acl', 'setuser', 'default', '-@all')
  const spelt = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  return place.of(`redis://${spelt}@${at}`, [server], [])
}

/** One server that speaks TLS beside, with a certificate of its own that nobody knows yet. */
export async function startTlsRedis(): Promise<RedisPlace & { readonly certificate: string }> {
  const place = newPlace()
  const [port = 0] = await freePorts(1)
  const [key, certificate] = ['key.pem', 'cert.pem'].map((name) => join(place.root, name)) as [
    string,
    string,
  ]
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x']
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', key, '-out', certificate]
  await call('openssl', ['req', '-x509', ...made, ...names, ...files])
  const [server] = await place.start(1, () => [
    ...['--tls-port', `${port}`, '--tls-cert-file', certificate, '--tls-key-file', key],
    ...['--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no'],
  ])
  await untilAnswering([server])
  return { ...place.of(`rediss://127.0.0.1:${port}/0`, [server], []), certificate }
}

/** A primary, two replicas, and three sentinels that know it as `mymaster`. */
export async function startSentinels(): Promise<RedisPlace> {
  const place = newPlace()
  // A primary waits 5 s for more replicas before it gives itself to the first.
  const atOnce = ['--repl-diskless-sync-delay', '0']
  const [primary] = await place.start(1, () => atOnce)
  const of = ['--replicaof', `127.0.0.1 ${primary?.port}`]
  const replicas = await place.start(2, () => [...atOnce, ...of])
  const data = [primary, ...replicas]
  await until(data, async () => {
    const told = (await primary?.cli('info', 'replication')) ?? ''
    return told.split('state=online').length === 3
  })
  // Only now: sentinels that start before the replicas are there see them 10 s later.
  const sentinels = await place.start(3, (folder) => {
    const file = join(folder, 'sentinel.conf')
    writeFileSync(
      file,
      [
        `sentinel monitor mymaster 127.0.0.1 ${primary?.port} 2`,
        'sentinel down-after-milliseconds mymaster 2000',
        'sentinel failover-timeout mymaster 1000',
        'sentinel parallel-syncs mymaster 2',
      ].join('\n'),
    )
    return [file, '--sentinel']
  })
  await untilAnswering(sentinels)
  // They find each other by what they publish, by themselves every 2 s.
  const sooner = ['sentinel', 'debug', 'info-period', '200', 'publish-period', '200']
  await Promise.all(sentinels.map((one) => one.cli(...sooner)))
  await until(sentinels, async () => {
    const seen = await Promise.all(
      sentinels.map((one) => one.cli('sentinel', 'master', 'mymaster')),
    )
    return seen.every(
      (one) => counted(one, 'num-slaves', 2) && counted(one, 'num-other-sentinels', 2),
    )
  })
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')
  return place.of(`sentinel://${hosts}/mymaster`, data, sentinels)
}

/** Three nodes without replicas. */
export async function startCluster(): Promise<RedisPlace> {
  const place = newPlace()
  const nodes = await place.start(3, () => [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    'nodes.conf',
    '--cluster-node-timeout',
    '1500',
    '--cluster-require-full-coverage',
    'no',
  ])
  await untilAnswering(nodes)
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const create = ['--cluster', 'create', ...hosts, '--cluster-replicas', '0', '--cluster-yes']
  await call('redis-cli', create)
  await until(nodes, async () => {
    const told = await Promise.all(nodes.map((one) => one.cli('cluster', 'info')))
    return told.every((one) => one.includes('cluster_state:ok'))
  })
  return place.of(`redis://${hosts.join(',')}?cluster=true`, nodes, [])
}

interface Started extends RedisServer {
  daemon(): Daemon
}

function newPlace() {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-redis-'))
  const all: Started[] = []
  return {
    root,
    async start(
      count: number,
      argsIn: (folder: string) => readonly string[],
    ): Promise<readonly Started[]> {
      const ports = await clusterPorts(count)
      const started = ports.map((port) => serverAt(port, join(root, `${port}`), argsIn))
      all.push(...started)
      return started
    },
    of(
      url: string,
      servers: readonly (Started | undefined)[],
      sentinels: readonly Started[],
    ): RedisPlace {
      return {
        url,
        servers: servers.filter((one) => one !== undefined),
        sentinels,
        async [Symbol.asyncDispose]() {
          await Promise.all(all.map((one) => one.crash()))
          rmSync(root, { recursive: true, force: true })
        },
      }
    },
  }
}

/** Nodes of a cluster also listen 10,000 above their port. */
async function clusterPorts(count: number): Promise<readonly number[]> {
  const found: number[] = []
  while (found.length < count) {
    const [port = 0] = await freePorts(1)
    if (await isFree(port + 10_000)) found.push(port)
  }
  return found
}

function serverAt(
  port: number,
  folder: string,
  argsIn: (folder: string) => readonly string[],
): Started {
  mkdirSync(folder)
  // A sentinel is given its file first; what follows is written over it.
  const args = [
    ...argsIn(folder),
    ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder],
    ...['--save', '', '--appendonly', 'no', '--protected-mode', 'no'],
  ]
  const start = () => startDaemon(join(folder, 'log'), 'redis-server', args)
  let daemon = start()
  const cli = (...words: readonly string[]) => call('redis-cli', ['-p', `${port}`, ...words])
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    if (!daemon.hasEnded()) process.kill(daemon.pid, name)
  }
  const server: Started = {
    port,
    daemon: () => daemon,
    cli,
    crash: () => daemon.stop(),
    async restart() {
      await daemon.stop()
      daemon = start()
      await untilAnswering([server])
    },
    stall: () => signal('SIGSTOP'),
    revive: () => signal('SIGCONT'),
    async flush() {
      await cli('flushall')
    },
  }
  return server
}

async function untilAnswering(servers: readonly (Started | undefined)[]): Promise<void> {
  await until(servers, async () => {
    await Promise.all(servers.map((one) => one && untilOpen(one.port)))
    const told = await Promise.all(servers.map((one) => one?.cli('ping')))
    return told.every((one) => one?.trim() === 'PONG')
  })
}

async function until(
  servers: readonly (Started | undefined)[],
  isUp: () => Promise<boolean>,
): Promise<void> {
  const daemons = servers.flatMap((one) => (one ? [one.daemon()] : []))
  await untilUp(daemons, isUp)
}

/** Cheaper than to run a program that finds nobody there. */
function untilOpen(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', reject)
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
  })
}

/** What `redis-cli` prints of a map: a line with the name, then a line with the number. */
function counted(text: string, name: string, count: number): boolean {
  const lines = text.split('\n')
  return lines[lines.indexOf(name) + 1] === `${count}`
}

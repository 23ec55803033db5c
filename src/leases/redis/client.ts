import type { Cluster, Redis, RedisOptions } from 'ioredis'
import type { HostPort, RedisAddress } from '../../core/redis-address.ts'
import { within } from '../within.ts'

export interface RedisClient {
  /** For those who need the driver itself. Its commands fail at once while the server is away. */
  readonly driver: Redis | Cluster
  /**
   * What `work` comes to, within the limit. Rejects when the server is away for longer than the
   * limit, or does not answer; `late` then hears of an answer that comes after all.
   */
  ask<T>(work: () => Promise<T>, late?: (value: T) => unknown): Promise<T>
  /** How often another server became the primary, as seen from here. */
  failovers(): number
  close(): void
}

export interface ClientOptions {
  /** How long a command may take, and how long an outage may last before commands fail at once, in milliseconds. */
  readonly limit: number
  readonly onFailover: () => void
}

/**
 * A client of that address that connects by itself, and again for ever. It keeps no queue for a
 * server that is away, and sends no command twice: what was not answered has failed.
 */
export async function openClient(
  address: RedisAddress,
  { limit, onFailover }: ClientOptions,
): Promise<RedisClient> {
  const driver = await connect(address, limit)
  let downSince: number | null = performance.now()
  let lastError: Error | null = null
  let failovers = 0
  let primaries: string | null = null
  const notice = () => {
    const seen = primariesOf(driver)
    if (seen === '' || seen === primaries) return
    if (primaries !== null && address.kind !== 'single') {
      failovers++
      onFailover()
    }
    primaries = seen
  }
  // Without a listener the driver prints what went wrong.
  driver.on('error', (error: Error) => {
    lastError = error
  })
  driver.on('ready', () => {
    downSince = null
    lastError = null
    notice()
  })
  driver.on('refresh', notice)
  driver.on('close', () => {
    downSince ??= performance.now()
  })

  // One for all who wait: the driver warns of many listeners.
  let waiting: Promise<boolean> | null = null
  async function ready(): Promise<void> {
    if (driver.status === 'ready') return
    const left = (downSince ?? performance.now()) + limit - performance.now()
    if (left > 0) {
      waiting ??= becomesReady(driver, left).finally(() => {
        waiting = null
      })
      if (await waiting) return
    }
    throw lastError ?? new Error('Redis is away')
  }

  return {
    driver,
    async ask(work, late) {
      await ready()
      return await within(work(), limit, 'Redis', late)
    },
    failovers: () => failovers,
    close: () => driver.disconnect(),
  }
}

async function connect(address: RedisAddress, limit: number): Promise<Redis | Cluster> {
  // Loaded here: an instance without Redis does not pay for it.
  const { Cluster, Redis } = await import('ioredis')
  const node = nodeOptions(address, limit)
  switch (address.kind) {
    case 'single':
      return new Redis({ ...node, ...address.at, db: address.db })
    case 'sentinel':
      return new Redis({
        ...node,
        sentinels: [...address.sentinels],
        name: address.primary,
        sentinelUsername: node.username,
        sentinelPassword: node.password,
        sentinelCommandTimeout: limit,
        sentinelRetryStrategy: backoff,
        // The driver's own watch over failovers prints an error for each sentinel that is away. A
        // primary that hangs is left by `socketTimeout`, and one that was deposed closes by itself.
        failoverDetector: false,
      })
    case 'cluster':
      return new Cluster([...address.nodes], {
        redisOptions: node,
        enableOfflineQueue: false,
        clusterRetryStrategy: backoff,
        slotsRefreshTimeout: limit,
        slotsRefreshInterval: 5 * limit,
        // Certificates are made out to names.
        ...(address.tls ? { dnsLookup: (name, give) => give(null, name) } : {}),
      })
  }
}

function nodeOptions(address: RedisAddress, limit: number) {
  const tls = address.kind !== 'sentinel' && address.tls
  return {
    username: address.user ?? undefined,
    password: address.password?.reveal(),
    connectTimeout: limit,
    commandTimeout: limit,
    socketTimeout: 2 * limit,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: limit,
    retryStrategy: backoff,
    // A primary that became a replica: the next connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(tls ? { tls: serverName(address) } : {}),
  } satisfies RedisOptions
}

function serverName(address: RedisAddress): { servername?: string } {
  return address.kind === 'single' && isName(address.at) ? { servername: address.at.host } : {}
}

function isName({ host }: HostPort): boolean {
  return !/^[\d.]+$/.test(host) && !host.includes(':')
}

/** Up to 2 s between two tries, each instance at a moment of its own. */
function backoff(times: number): number {
  return Math.round(Math.min(2_000, 50 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2))
}

function becomesReady(driver: Redis | Cluster, millis: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isReady: boolean) => {
      clearTimeout(timer)
      driver.off('ready', onReady)
      resolve(isReady)
    }
    const onReady = () => settle(true)
    const timer = setTimeout(() => settle(false), millis)
    driver.on('ready', onReady)
  })
}

/** The servers that are written to now; empty while there are none. */
function primariesOf(driver: Redis | Cluster): string {
  if ('slots' in driver) return [...new Set(driver.slots.map(([key]) => key))].sort().join(' ')
  const { remoteAddress, remotePort } = driver.stream
  return remoteAddress === undefined ? '' : `${remoteAddress}:${remotePort}`
}

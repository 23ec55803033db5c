/** A primary of Redis, two replicas, and three sentinels that know it as `mymaster`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { call, partIn, type Running } from './parts.ts'

export interface RedisPlace {
  /** In the order to start them in. */
  readonly parts: readonly Running[]
  readonly url: string
}

/** None is started yet: `ports` are those of the servers, `sentinelPorts` of the sentinels. */
export function makeRedis(
  run: string,
  ports: readonly number[],
  sentinelPorts: readonly number[],
  password: string,
): RedisPlace {
  const [primary] = ports
  const ask = (port: number, ...words: readonly string[]) =>
    call(['redis-cli', '-p', `${port}`, ...words], { REDISCLI_AUTH: password })
  const server = (port: number, index: number): Running => {
    const lines = [`requirepass ${password}`, `masterauth ${password}`, 'save ""', 'appendonly no']
    if (index > 0) lines.push(`replicaof 127.0.0.1 ${primary}`)
    return part(run, `redis-${index + 1}`, { port, lines, words: [] }, async () =>
      index === 0 ? (await ask(port, 'ping')) === 'PONG\n' : isReady(await ask(port, 'role')),
    )
  }
  const sentinel = (port: number, index: number): Running => {
    const lines = [
      `requirepass ${password}`,
      `sentinel sentinel-pass ${password}`,
      `sentinel monitor mymaster 127.0.0.1 ${primary} 2`,
      `sentinel auth-pass mymaster ${password}`,
      'sentinel down-after-milliseconds mymaster 2000',
      'sentinel failover-timeout mymaster 5000',
    ]
    return part(
      run,
      `sentinel-${index + 1}`,
      { port, lines, words: ['--sentinel'] },
      async () => (await ask(port, 'ping')) === 'PONG\n',
    )
  }
  const hosts = sentinelPorts.map((port) => `127.0.0.1:${port}`).join(',')
  return {
    parts: [...ports.map(server), ...sentinelPorts.map(sentinel)],
    url: `sentinel://:${password}@${hosts}/mymaster`,
  }
}

/** A primary, or a replica that follows one. */
function isReady(role: string): boolean {
  return role.startsWith('master') || role.includes('connected')
}

interface Settings {
  readonly port: number
  readonly lines: readonly string[]
  readonly words: readonly string[]
}

function part(
  run: string,
  name: string,
  { port, lines, words }: Settings,
  isUp: () => Promise<boolean>,
): Running {
  const folder = join(run, name)
  mkdirSync(folder)
  // Passwords stand in the file, where a list of processes does not show them; a failover rewrites it.
  const file = join(folder, 'redis.conf')
  const common = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`]
  writeFileSync(file, [...common, ...lines, ''].join('\n'), { mode: 0o600 })
  return partIn(run, {
    name,
    at: `127.0.0.1:${port}`,
    command: ['redis-server', file, ...words],
    isUp,
  })
}

import type { Http, Identity, StateAddress } from '../core/fleet.ts'
import type { Desired } from '../core/model.ts'
import { parseRedisAddress } from '../core/redis-address.ts'
import { Secret } from '../lib/secret.ts'
import { type Block, child, fault, flag, number, read, strings, text } from './block.ts'

type Fleet = Pick<Desired, 'state' | 'redis' | 'identity' | 'instances' | 'http'>

/** What several instances share, and who this one is. */
export function resolveFleet(root: Block): Fleet {
  const state = stateOf(root)
  const redis = redisOf(root)
  const instances = number(root, 'instances') ?? 1
  checkShared(root, { state, redis, instances })
  return { state, redis, identity: identityOf(root), instances, http: httpOf(root) }
}

function stateOf(root: Block): StateAddress {
  const url = secret(root, 'state')
  const written = url?.reveal() ?? 'sqlite'
  if (url === null || written === 'sqlite') return { kind: 'sqlite' }
  if (!/^postgres(ql)?:\/\//.test(written)) {
    fault(root, 'state', 'must be "sqlite", or an address that begins with postgres://')
    return { kind: 'sqlite' }
  }
  return { kind: 'postgres', url, direct: secret(root, 'state_direct') }
}

function redisOf(root: Block): Secret | null {
  const url = secret(root, 'redis')
  // With another scheme the schema has its fault already.
  if (url === null || !/^(rediss?|sentinel):/.test(url.reveal())) return url
  const address = parseRedisAddress(url.reveal())
  if (address.kind === 'bad') fault(root, 'redis', `is no address of Redis: ${address.why}`)
  return url
}

/** Leases decide who acts; a history of its own lets each instance act in ignorance of the others. */
function checkShared(root: Block, { state, redis, instances }: Omit<Fleet, 'identity' | 'http'>) {
  if (state.kind === 'postgres') return
  const hint = 'set state to the address of a PostgreSQL database that all instances share'
  const message = 'several instances need their history in PostgreSQL, and state is SQLite'
  if (secret(root, 'state_direct') !== null) {
    fault(root, 'state_direct', 'goes with a state in PostgreSQL, and state is SQLite')
  }
  if (redis !== null) fault(root, 'redis', message, `${hint}, or take redis out`)
  if (instances > 1) fault(root, 'instances', message, hint)
}

function identityOf(root: Block): Identity {
  const block = child(root, 'instance')
  if (block === null) return { name: null, labels: [] }
  return { name: text(block, 'id'), labels: strings(block, 'labels') }
}

const USUAL = '127.0.0.1:7788'

function httpOf(root: Block): Http | null {
  const block = child(root, 'http')
  if (block !== null && flag(block, 'enabled') === false) return null
  const isDeclared = block?.tree.entries.has('listen') === true
  const listen = (block && text(block, 'listen')) ?? USUAL
  const colon = listen.lastIndexOf(':')
  const port = Number(listen.slice(colon + 1))
  if (block !== null && port > 65_535) fault(block, 'listen', 'has no such port')
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { host, port, isDeclared, token: block && secret(block, 'token') }
}

function secret(block: Block, key: string): Secret | null {
  const value = read(block, key)
  return value instanceof Secret ? value : null
}

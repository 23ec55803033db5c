import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRedisAddress, type RedisAddress, redisHosts } from '../../src/core/redis-address.ts'
import { Secret } from '../../src/lib/secret.ts'

const login = { user: null, password: null }

describe('an address of Redis', () => {
  it.each<[string, RedisAddress]>([
    [
      'redis://cache',
      { kind: 'single', ...login, at: { host: 'cache', port: 6379 }, tls: false, db: 0 },
    ],
    [
      'rediss://[::1]:7000/3',
      { kind: 'single', ...login, at: { host: '::1', port: 7000 }, tls: true, db: 3 },
    ],
    [
      'redis://a:7000,b?cluster=true',
      {
        kind: 'cluster',
        ...login,
        tls: false,
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
        ],
      },
    ],
    [
      'sentinel://s1.example:26380,s2.example/my-master',
      {
        kind: 'sentinel',
        ...login,
        primary: 'my-master',
        sentinels: [
          { host: 's1.example', port: 26_380 },
          { host: 's2.example', port: 26_379 },
        ],
      },
    ],
  ])('%s is read', (text, address) => {
    expect(parseRedisAddress(text)).toEqual(address)
  })

  it('gives user and password decoded', () => {
    const read = parseRedisAddress('redis://me:p%40ss%2F%3A@h/0')
    expect(read).toMatchObject({ user: 'me' })
    expect('password' in read && read.password?.reveal()).toBe('p@ss/:')
    expect(parseRedisAddress('redis://:pw@h')).toMatchObject({ user: null })
  })

  it.each([
    ['cache:6379', 'redis://'],
    ['http://hunter2@h', 'redis://'],
    ['redis://', 'host'],
    ['redis://hunter2@h', ':password@host'],
    ['redis://:hunter2@', 'host'],
    ['redis://:hunter2@h:0', 'port'],
    ['redis://:hunter2@h:65536', 'port'],
    ['redis://:hunter2@h,g', 'cluster=true'],
    ['redis://:hunter2@h/shop', 'database'],
    ['redis://:hunter2@h/1?cluster=true', 'cluster'],
    ['redis://:hunter2@h?tls=yes', 'cluster=true'],
    ['redis://:hunter2@g@h', '%40'],
    ['redis://:hunter2/x@h', '%2F'],
    ['redis://:hunter2%zz@h', '%25'],
    ['sentinel://:hunter2@h', 'primary'],
    ['sentinel://:hunter2@h/m?cluster=true', 'parameters'],
  ])('%s is refused in words that hold no password', (text, word) => {
    const read = parseRedisAddress(text)
    if (read.kind !== 'bad') throw new Error('it was read')
    expect(read.why).toContain(word)
    expect(read.why).not.toContain('hunter2')
  })

  it('is read again as it was printed', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        const again = parseRedisAddress(formatRedisAddress(address))
        expect(again).toEqual(address)
        const password = (one: typeof again) => 'password' in one && one.password?.reveal()
        expect(password(again)).toBe(password(address))
      }),
    )
  })

  it('never shows its login where only its hosts are told', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        expect(redisHosts(address)).not.toContain('@')
        expect(JSON.stringify(address)).not.toContain(address.password?.reveal() ?? 'no password')
      }),
    )
  })
})

const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6())
const at = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) })
const several = fc.array(at, { minLength: 1, maxLength: 4 })
const word = fc.string({ minLength: 1, unit: 'grapheme' }).filter((one) => one.isWellFormed())
const logins = {
  user: fc.option(word),
  // Long enough never to be a part of something else by chance.
  password: fc.option(word.map((one) => new Secret(`secret ${one}`))),
}
const addresses: fc.Arbitrary<RedisAddress> = fc.oneof(
  fc.record({
    kind: fc.constant('single' as const),
    ...logins,
    at,
    tls: fc.boolean(),
    db: fc.nat(99_999),
  }),
  fc.record({
    kind: fc.constant('cluster' as const),
    ...logins,
    nodes: several,
    tls: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('sentinel' as const),
    ...logins,
    sentinels: several,
    primary: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
  }),
)

/** The address in full, its password too: what `parseRedisAddress` reads again. */
function formatRedisAddress(address: RedisAddress): string {
  const user = encodeURIComponent(address.user ?? '')
  const password = encodeURIComponent(address.password?.reveal() ?? '')
  const login = user === '' && password === '' ? '' : `${user}:${password}@`
  const where = redisHosts(address)
  switch (address.kind) {
    case 'single':
      return `${address.tls ? 'rediss' : 'redis'}://${login}${where}/${address.db}`
    case 'cluster':
      return `${address.tls ? 'rediss' : 'redis'}://${login}${where}?cluster=true`
    case 'sentinel':
      return `sentinel://${login}${where}/${address.primary}`
  }
}

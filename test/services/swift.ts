import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { call, type Daemon, freePorts, startDaemon, untilUp } from './processes.ts'
import type { S3Server } from './s3-server.ts'

const STORES = ['object', 'container', 'account'] as const

/**
 * Starts OpenStack Swift behind its `s3api`, of one node: the odd dialect among the servers. Without
 * workers, which would outlive their killed parents.
 */
export async function startSwift(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-swift-'))
  const [port = 0, cache = 0, ...ports] = await freePorts(2 + STORES.length)
  const daemons: Daemon[] = []
  const dispose = async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const start = (program: string, ...args: readonly string[]) =>
    daemons.push(startDaemon(join(folder, `${program}.log`), program, args))
  try {
    for (const name of ['disk/d1', 'cache']) await mkdir(join(folder, name), { recursive: true })
    const user = userInfo().username
    start('memcached', '-l', '127.0.0.1', '-p', `${cache}`, '-u', user)
    await Promise.all(
      STORES.map(async (store, index) => {
        await makeRing(folder, store, ports[index] ?? 0)
        const conf = join(folder, `${store}-server.conf`)
        await writeFile(conf, storeConf(folder, store, ports[index] ?? 0))
        start(`swift-${store}-server`, conf)
      }),
    )
    // Before the proxy: it would shun for a minute whichever of them does not answer.
    const answers = (at: number) => fetch(`http://127.0.0.1:${at}/`).then(() => true)
    await untilUp(daemons, async () => (await Promise.all(ports.map(answers))).length > 0)
    const conf = join(folder, 'proxy-server.conf')
    await writeFile(conf, proxyConf(folder, port, cache))
    start('swift-proxy-server', conf)
    const endpoint = `http://127.0.0.1:${port}`
    const keys = { accessKey: 'holdfast:user', secretKey: 'holdfastsecret' }
    await untilUp(daemons, async () => (await fetch(`${endpoint}/healthcheck`)).ok)
    return { port, endpoint, ...keys, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function makeRing(folder: string, store: string, port: number): Promise<void> {
  const builder = join(folder, `${store}.builder`)
  const ring = (...args: readonly string[]) => call('swift-ring-builder', [builder, ...args])
  await ring('create', '4', '1', '1')
  await ring('add', `r1z1-127.0.0.1:${port}/d1`, '1')
  await ring('rebalance')
}

function storeConf(folder: string, store: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${folder}/disk
mount_check = false
log_address = ${folder}/no-log
log_level = WARNING
disable_fallocate = true
[pipeline:main]
pipeline = ${store}-server
[app:${store}-server]
use = egg:swift#${store}
recon_cache_path = ${folder}/cache
`
}

const FILTERS =
  'catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink'

function proxyConf(folder: string, port: number, cache: number): string {
  const plain = FILTERS.split(' ').filter((name) => SPECIAL[name] === undefined)
  const settings: Readonly<Record<string, string>> = {
    ...Object.fromEntries(plain.map((name) => [name, ''])),
    ...SPECIAL,
    cache: `memcache_servers = 127.0.0.1:${cache}`,
  }
  const filters = Object.entries(settings).map(
    ([name, lines]) =>
      `[filter:${name}]\nuse = egg:swift#${name === 'cache' ? 'memcache' : name}\n${lines}\n`,
  )
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
log_address = ${folder}/no-log
log_level = WARNING
[pipeline:main]
pipeline = ${FILTERS} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
${filters.join('')}`
}

/** The most objects that one answer lists: an object costs it 30 ms. */
export const PAGE = 100

const SPECIAL: Readonly<Record<string, string>> = {
  s3api: `location = us-east-1
s3_acl = no
check_bucket_owner = no
dns_compliant_bucket_names = true
min_segment_size = 5242880
max_bucket_listing = ${PAGE}`,
  tempauth: 'user_holdfast_user = holdfastsecret .admin',
  versioned_writes: 'allow_versioned_writes = true\nallow_object_versioning = true',
}

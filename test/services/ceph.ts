import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { call, type Daemon, freePorts, startDaemon, untilUp } from './processes.ts'
import type { S3Server } from './s3-server.ts'

/** A Ceph object gateway of one node that keeps its objects in memory. */
export interface Ceph extends S3Server {
  /** Of the process that speaks S3. */
  readonly pid: number
  /** Kills that process; the objects stay, in another one. */
  crash(): Promise<void>
  /** Starts it again, and resolves once it answers. */
  revive(): Promise<void>
  /** Runs `radosgw-admin`. */
  admin(...args: readonly string[]): Promise<string>
}

const ACCESS_KEY = 'holdfasttest'
const SECRET_KEY = 'holdfasttestsecretkey'
const USER = 'holdfast'
/** Id of the only key that its key service has. */
export const KMS_KEY = 'holdfast-kms-key'

/** Starts one in a second or two. */
export async function startCeph(): Promise<Ceph> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-ceph-'))
  const [port = 0, monitorPort = 0] = await freePorts(2)
  const daemons: Daemon[] = []
  const dispose = async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  const conf = join(folder, 'ceph.conf')
  const admin = (...args: readonly string[]) =>
    call('radosgw-admin', ['-c', conf, '-n', 'client.rgw', ...args])
  const start = (program: string, ...args: readonly string[]) => {
    const daemon = startDaemon(join(folder, `${program}.log`), program, ['-c', conf, ...args, '-f'])
    daemons.push(daemon)
    return daemon
  }
  try {
    await prepare(folder, conf, { port, monitorPort })
    start('ceph-mon', '-i', 'a')
    const osd = randomUUID()
    await call('ceph', ['--connect-timeout', '60', '-c', conf, 'osd', 'new', osd, '0'])
    await call('ceph-osd', ['-c', conf, '-i', '0', '--mkfs', '--osd-uuid', osd])
    start('ceph-osd', '-i', '0')
    const endpoint = `http://127.0.0.1:${port}`
    const startGateway = async () => {
      const daemon = start('radosgw', '-n', 'client.rgw')
      await untilUp([daemon], async () => (await fetch(endpoint)).status < 500)
      return daemon
    }
    let gateway = await startGateway()
    const keys = [`--access-key=${ACCESS_KEY}`, `--secret-key=${SECRET_KEY}`]
    await admin('user', 'create', `--uid=${USER}`, '--display-name=holdfast', ...keys)
    const dialect = { port, endpoint, accessKey: ACCESS_KEY, secretKey: SECRET_KEY }
    return {
      ...dialect,
      get pid() {
        return gateway.pid
      },
      crash: () => gateway.stop(),
      async revive() {
        gateway = await startGateway()
      },
      admin,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

interface Ports {
  readonly port: number
  readonly monitorPort: number
}

async function prepare(folder: string, conf: string, ports: Ports): Promise<void> {
  for (const name of ['mon', 'osd', 'rgw', 'run', 'crash', 'log']) await mkdir(join(folder, name))
  const cluster = randomUUID()
  await writeFile(conf, configOf(folder, cluster, ports))
  const keyring = join(folder, 'keyring')
  const monitor = `[v2:127.0.0.1:${ports.monitorPort}/0]`
  const all = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *']
  await call('ceph-authtool', ['-C', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'])
  for (const name of ['client.admin', 'client.rgw', 'osd.0']) {
    await call('ceph-authtool', [keyring, '--gen-key', '-n', name, ...all])
  }
  const map = join(folder, 'monmap')
  await call('monmaptool', ['--create', '--fsid', cluster, '--addv', 'a', monitor, map])
  await call('ceph-mon', ['-c', conf, '-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring])
}

/**
 * What makes it start in a second rather than eleven: one address family and protocol, no waiting
 * for a quorum of one, no manager. `tcp_nodelay` takes 44 ms off each request.
 */
function configOf(folder: string, cluster: string, { port, monitorPort }: Ports): string {
  return `[global]
fsid = ${cluster}
mon host = [v2:127.0.0.1:${monitorPort}/0]
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${folder}/keyring
run dir = ${folder}/run
admin socket = ${folder}/run/$name.$pid.asok
log file = ${folder}/log/$name.log
crash dir = ${folder}/crash
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv4 = true
ms bind ipv6 = false
ms bind msgr1 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon pg warn min per osd = 0
mon max pg per osd = 1000
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
auth allow insecure global id reclaim = false
mon data avail warn = 1
mon data avail crit = 0
[mon.a]
mon data = ${folder}/mon
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd scrub begin hour = 0
osd max object name len = 460
osd max object namespace len = 64
osd op queue = wpq
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw dns name =
rgw enable usage log = false
rgw gc obj min wait = 1
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${KMS_KEY}=${Buffer.alloc(32, 7).toString('base64')}
rgw enable apis = s3, admin
rgw thread pool size = 64
rgw dynamic resharding = false
`
}

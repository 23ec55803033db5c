/** An S3 server: Ceph's object gateway, with a monitor and one store that keeps its objects in memory. */
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { answers, call, partIn, type Running } from './parts.ts'

export interface S3Keys {
  readonly id: string
  readonly secret: string
}

export interface S3Place {
  /** In the order to start them in; `s3` speaks S3, and holds nothing itself. */
  readonly parts: readonly Running[]
  readonly endpoint: string
  /** Once they run. */
  makeBucket(name: string, keys: S3Keys): Promise<void>
}

/** A new one, not started yet. Takes `port` and the one after it. */
export async function makeS3(run: string, port: number): Promise<S3Place> {
  const folder = join(run, 'ceph')
  for (const name of ['mon', 'osd', 'run', 'crash']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  const conf = join(folder, 'ceph.conf')
  await prepare(folder, conf, port)
  const endpoint = `http://127.0.0.1:${port}`
  const part = (name: string, command: readonly string[], isUp: () => Promise<boolean>) =>
    partIn(run, {
      name,
      at: name === 's3' ? endpoint : '',
      command: [...command, '-c', conf, '-f'],
      isUp,
    })
  const ceph = (...words: readonly string[]) => call(['ceph', '-c', conf, ...words])
  const store = randomUUID()
  let isMade = false
  const osd = part('ceph-osd', ['ceph-osd', '-i', '0'], async () =>
    (await ceph('osd', 'stat')).includes('1 up'),
  )
  const withStore: Running = {
    ...osd,
    async start() {
      if (!isMade) {
        await ceph('osd', 'new', store, '0')
        await call(['ceph-osd', '-c', conf, '-i', '0', '--mkfs', '--osd-uuid', store])
      }
      isMade = true
      await osd.start()
    },
  }
  const parts = [
    part('ceph-mon', ['ceph-mon', '-i', 'a'], async () => Boolean(await ceph('mon', 'stat'))),
    withStore,
    part('s3', ['radosgw', '-n', 'client.rgw'], () => answers(endpoint)),
  ]
  return { parts, endpoint, makeBucket: (name, keys) => makeBucket(name, keys, conf, endpoint) }
}

async function makeBucket(Bucket: string, keys: S3Keys, conf: string, endpoint: string) {
  const { id: accessKeyId, secret: secretAccessKey } = keys
  const user = ['--uid=holdfast', '--display-name=holdfast']
  const own = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`]
  await call(['radosgw-admin', '-c', conf, '-n', 'client.rgw', 'user', 'create', ...user, ...own])
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  await client.send(new CreateBucketCommand({ Bucket }))
  client.destroy()
}

async function prepare(folder: string, conf: string, port: number): Promise<void> {
  const cluster = randomUUID()
  const monitor = `[v2:127.0.0.1:${port + 1}/0]`
  writeFileSync(conf, configOf(folder, cluster, monitor, port))
  const keyring = join(folder, 'keyring')
  const all = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *']
  const make = [
    'ceph-authtool',
    '-C',
    keyring,
    '--gen-key',
    '-n',
    'mon.',
    '--cap',
    'mon',
    'allow *',
  ]
  await call(make)
  for (const name of ['client.admin', 'client.rgw', 'osd.0']) {
    await call(['ceph-authtool', keyring, '--gen-key', '-n', name, ...all])
  }
  const map = join(folder, 'monmap')
  await call(['monmaptool', '--create', '--fsid', cluster, '--addv', 'a', monitor, map])
  const files = ['--monmap', map, '--keyring', keyring]
  await call(['ceph-mon', '-c', conf, '-i', 'a', '--mkfs', ...files])
}

/** As small as it gets: one of each, one copy of everything, no manager. Nothing to keep backups on. */
function configOf(folder: string, cluster: string, monitor: string, port: number): string {
  return `[global]
fsid = ${cluster}
mon host = ${monitor}
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${folder}/keyring
run dir = ${folder}/run
admin socket = ${folder}/run/$name.$pid.asok
log file = ${folder}/$name.log
crash dir = ${folder}/crash
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 0
paxos propose interval = 0.02
paxos min wait = 0.01
mon tick interval = 1
[mon.a]
mon data = ${folder}/mon
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd max object name len = 460
osd max object namespace len = 64
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw enable apis = s3, admin
rgw dynamic resharding = false
`
}

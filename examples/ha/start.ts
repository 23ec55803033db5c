/**
 * Runs three instances of Holdfast with PostgreSQL, Redis under Sentinel and an S3 server, all on
 * this machine, until it is told to stop (Ctrl-C, SIGTERM). SIGUSR2 starts again whatever has ended.
 * Each start begins anew; nothing is installed.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answers, partIn, type Running } from './parts.ts'
import { makePostgres } from './postgres.ts'
import { makeRedis } from './redis.ts'
import { makeS3 } from './s3.ts'

const NEEDED = [
  ['/usr/lib/postgresql/15/bin/postgres', 'postgresql-15'],
  ['/usr/bin/pg_isready', 'postgresql-client'],
  ['/usr/bin/redis-server', 'redis-server'],
  ['/usr/bin/ceph', 'ceph-common'],
  ['/usr/bin/ceph-mon', 'ceph-mon'],
  ['/usr/bin/ceph-osd', 'ceph-osd'],
  ['/usr/bin/radosgw', 'radosgw'],
  ['/usr/bin/zstd', 'zstd'],
] as const

const here = import.meta.dirname
const holdfast = join(here, '..', '..', 'bin', 'holdfast')
const config = join(here, 'holdfast.yml')
/** The first of the ports; those of all parts follow from it. */
const base = Number(process.env.HA_PORT ?? 17_800)
const run = process.env.HA_RUN ?? join(here, 'run')
const secrets = join(run, 'secrets')

const missing = NEEDED.filter(([file]) => !existsSync(file)).map(([, name]) => name)
if (missing.length > 0) {
  console.error(`not installed: apt-get install --no-install-recommends ${missing.join(' ')}`)
  process.exit(1)
}

const parts: Running[] = []
const removed: string[] = []
let isStopping = false
process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop)

try {
  await begin()
} catch (error) {
  if (!isStopping) console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
  await stop()
}

async function begin(): Promise<void> {
  await checkFree()
  rmSync(run, { recursive: true, force: true })
  mkdirSync(secrets, { recursive: true })
  writeFileSync(join(run, 'start.pid'), `${process.pid}\n`)
  const s3 = await servers()
  const env = {
    HOLDFAST_CONFIG: config,
    SECRETS: secrets,
    S3_ENDPOINT: s3,
    RECIPIENT: ageKey(),
    LEDGER_SECONDS: process.env.LEDGER_SECONDS ?? '20',
  }
  const nodes = [1, 2, 3].map((number) => nodeOf(number, env))
  await Promise.all(nodes.map(started))
  writeEnvironment(env)
  tell()
  process.on('SIGUSR2', again)
}

/** One that runs already keeps its files. */
async function checkFree(): Promise<void> {
  const isTaken = await answers(`http://127.0.0.1:${base + 40}`).catch(() => false)
  if (isTaken) throw new Error(`port ${base + 40} is taken: it runs already, or set HA_PORT`)
}

/** Everything but Holdfast itself; gives the address of the S3 server. */
async function servers(): Promise<string> {
  const postgres = await makePostgres(run, base + 10, secret())
  removed.push(postgres.folder)
  keep('state', postgres.url)
  const at = (first: number) => [1, 2, 3].map((number) => base + first + number)
  const redis = makeRedis(run, at(20), at(30), secret())
  keep('redis', redis.url)
  keep('token', secret())
  const s3 = await makeS3(run, base + 40)
  // A sentinel that starts before its primary has replicas takes long to hear of them.
  const inTurn = async (list: readonly Running[]) => {
    for (const part of list) await started(part)
  }
  await Promise.all([started(postgres.part), inTurn(redis.parts), inTurn(s3.parts)])
  const keys = { id: secret(), secret: secret() }
  keep('s3-id', keys.id)
  keep('s3-secret', keys.secret)
  await s3.makeBucket('backups', keys)
  return s3.endpoint
}

async function started(part: Running): Promise<void> {
  if (isStopping) throw new Error('told to stop')
  parts.push(part)
  await part.start()
}

function nodeOf(number: number, env: Readonly<Record<string, string>>): Running {
  const name = `node-${number}`
  const listen = `127.0.0.1:${base + number}`
  return partIn(run, {
    name,
    at: `http://${listen}`,
    command: [holdfast, 'daemon'],
    env: {
      ...env,
      DATA: join(run, name),
      HOLDFAST_INSTANCE: name,
      HOLDFAST_HTTP: listen,
      // Only one of them is the host that the uploads lie on.
      ...(number === 1 ? { ROLE: 'files' } : {}),
    },
    isUp: () => answers(`http://${listen}/readyz`),
  })
}

function secret(): string {
  return randomBytes(16).toString('hex')
}

function keep(name: string, text: string): void {
  writeFileSync(join(secrets, name), `${text}\n`, { mode: 0o600 })
}

/** Makes the key of the archives, and gives its public half. */
function ageKey(): string {
  const args = ['key', 'generate', '--json', '--out', join(secrets, 'age.key')]
  const made: unknown = JSON.parse(execFileSync(holdfast, args, { encoding: 'utf8' }))
  return (made as { readonly id: string }).id
}

/** What a second terminal has to know. */
function writeEnvironment(env: Readonly<Record<string, string>>): void {
  const all = { ...env, DATA: join(run, 'cli'), RUN: run }
  const lines = Object.entries(all).map(([name, value]) => `export ${name}='${value}'`)
  const path = `export PATH="${join(here, '..', '..', 'bin')}:$PATH"`
  const nodes = [1, 2, 3].map((number) => `export NODE_${number}=http://127.0.0.1:${base + number}`)
  writeFileSync(join(run, 'env'), [...lines, ...nodes, path, ''].join('\n'))
}

function tell(): void {
  const rows = parts.map(({ name, at, pid }) => `  ${name.padEnd(11)}${`${pid()}`.padEnd(9)}${at}`)
  console.log(`
Three instances of Holdfast, and what they need. Logs and process ids: ${run}/NAME.log, NAME.pid

  NAME       PID      AT
${rows.join('\n')}

In a second terminal:

  . ${run}/env
  holdfast status

and go on with examples/ha/README.md. Ctrl-C stops everything.
`)
}

/** What was killed is started again, all at once: after a failover, Redis follows in another order. */
async function again(): Promise<void> {
  const ended = parts.filter((part) => part.hasEnded())
  const starts = ended.map(async (part) => {
    await part.start()
    console.log(`${part.name} runs again as process ${part.pid()}`)
  })
  for (const one of await Promise.allSettled(starts)) {
    if (one.status === 'rejected' && !isStopping) console.error(String(one.reason))
  }
}

/** The last that was started ends first: instances drain while what they need is still there. */
async function stop(): Promise<void> {
  if (isStopping) return
  isStopping = true
  process.removeListener('SIGUSR2', again)
  console.log('stopping …')
  const isNode = ({ name }: Running) => name.startsWith('node-')
  await Promise.all(parts.filter(isNode).map((part) => part.stop()))
  for (const part of parts.toReversed()) await part.stop()
  for (const folder of removed) rmSync(folder, { recursive: true, force: true })
  process.exit()
}

/*
 * How long listing and planning take over a large bucket: `node bench/s3-scale.ts [--copies 100000]`.
 * A real Ceph object gateway on loopback; jobs with a hundred copies each, an archive of a few bytes
 * and its manifest, and a tenth of them in a second bucket. `holdfast plan` with all of them known to
 * the history, medians of three rounds; then once with the history lost, which reads every manifest;
 * then `backup prune` of a thousand copies, its requests counted on the wire. Ends with 1 when the
 * large plan takes more than 20 s or more than 12 times the small one, or a deletion goes alone.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { loadConfig } from '../src/config/load.ts'
import { manifestKey } from '../src/core/archive-key.ts'
import { encodeManifest } from '../src/core/manifest.ts'
import type { Instant } from '../src/core/model.ts'
import { forEachConcurrent } from '../src/lib/concurrent.ts'
import { type Ceph, startCeph } from '../test/services/ceph.ts'
import { clientOf, makeBucket } from '../test/services/s3-server.ts'
import { startProxy } from '../test/support/proxy.ts'
import { HOLDFAST } from './contenders.ts'
import {
  CONTENT,
  COPIES_OF_A_JOB,
  configText,
  type Deployment,
  type Entry,
  entriesOf,
  manifestOf,
  writeState,
} from './many-copies.ts'
import { measure, median } from './measure.ts'
import { pipe } from './programs.ts'

const BUDGET_SECONDS = 20
const MOST_TIMES = 12
const ROUNDS = 3
const PUTS_AT_ONCE = 64
const PRUNED = 1000

/** A deployment in a folder and a bucket of its own. */
interface Place {
  readonly config: string
  readonly deployment: Deployment
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { copies: { type: 'string', default: '100000' } } })
  const jobs = Math.round(Number(values.copies) / COPIES_OF_A_JOB)
  const root = await mkdtemp(join(tmpdir(), 'holdfast-s3-scale-'))
  try {
    await using ceph = await startCeph()
    const small = await fill(ceph, join(root, 'small'), Math.round(jobs / 10))
    const large = await fill(ceph, join(root, 'large'), jobs)
    console.log('                                       seconds   rounds')
    const few = await timed(`plan, ${small.deployment.jobs * COPIES_OF_A_JOB} copies`, small)
    const many = await timed(`plan, ${jobs * COPIES_OF_A_JOB} copies`, large)
    console.log(`times the tenth of it: ${(many / few).toFixed(1)}`)
    const isBatched = await prune(ceph, small)
    await rm(join(large.deployment.folder, 'state'), { recursive: true })
    await timed('plan with the history lost (cold)', large, 1)
    const isEnough = many <= BUDGET_SECONDS && many / few <= MOST_TIMES && isBatched
    process.exitCode = isEnough ? 0 : 1
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

async function fill(ceph: Ceph, folder: string, jobs: number): Promise<Place> {
  await mkdir(folder, { recursive: true })
  const bucket = await makeBucket(ceph)
  const deployment = { folder, jobs, target: targetBlock(ceph, ceph.endpoint, bucket) }
  const config = join(folder, 'holdfast.yml')
  await writeFile(config, configText(deployment, COPIES_OF_A_JOB))
  const desired = await loadConfig({ path: config, env: {}, cwd: folder })
  const entries = desired.jobs.flatMap((job) => entriesOf(job, Date.now() as Instant))
  const client = clientOf(ceph)
  const put = (Key: string, Body: string) =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
  await forEachConcurrent(entries, PUTS_AT_ONCE, async ({ backup, copy }: Entry) => {
    await put(copy.key, CONTENT)
    await put(manifestKey(copy.key), encodeManifest(manifestOf(backup, copy)))
  })
  await writeState(desired, entries)
  return { config, deployment }
}

function targetBlock({ accessKey, secretKey }: Ceph, endpoint: string, bucket: string): string {
  const keys = `access_key_id: ${accessKey}, secret_access_key: ${secretKey}`
  return `{ type: s3, bucket: ${bucket}, endpoint: "${endpoint}", region: us-east-1, ${keys} }`
}

async function timed(name: string, { config }: Place, rounds = ROUNDS): Promise<number> {
  const seconds: number[] = []
  for (let round = 0; round < rounds; round++) {
    const step = { command: HOLDFAST, args: ['plan', '--config', config] }
    seconds.push((await measure((follow) => pipe([step], follow))).seconds)
  }
  const cells = `${median(seconds).toFixed(2).padStart(7)}   ${seconds.map((one) => one.toFixed(2)).join(' ')}`
  console.log(`${name.padEnd(38)} ${cells}`)
  return median(seconds)
}

/** Deletes a thousand copies through a proxy that counts; whether they went in batches. */
async function prune(ceph: Ceph, { config, deployment }: Place): Promise<boolean> {
  await using link = await startProxy(ceph.port)
  const { endpoint } = ceph
  const target = deployment.target.replace(endpoint, link.endpoint)
  const kept = COPIES_OF_A_JOB - PRUNED / deployment.jobs
  await writeFile(config, configText({ ...deployment, target }, kept))
  const step = { command: HOLDFAST, args: ['backup', 'prune', '--yes', '--config', config] }
  const { seconds } = await measure((follow) => pipe([step], follow))
  const batches = link.requests.filter((request) => /^POST .*[?&]delete/.test(request)).length
  const single = link.requests.filter((request) => request.startsWith('DELETE ')).length
  console.log(
    `prune of ${PRUNED} copies of ${deployment.jobs} groups: ${seconds.toFixed(2)} s, ` +
      `${batches} batches, ${single} single deletions`,
  )
  return single === 0
}

await main()

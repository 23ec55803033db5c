import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { relayed } from '../../src/docker/relayed.ts'
import { offer, startChain } from '../../src/platform/program.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'

const { signal } = new AbortController()
const BYTES = 30_000_000

let docker: DockerEngine

beforeAll(async () => {
  docker = await startDocker()
  await docker.run('--name=app', '--init', 'debian:12', 'sleep', 'infinity')
})
afterAll(() => docker[Symbol.asyncDispose]())

function program(argv: readonly string[], hasInput = false, container = 'app') {
  return relayed({ host: docker.host, program: { container, argv }, hasInput })
}

describe('a program of a container among programs of this host', () => {
  it('gives all of its output to a slow reader, its complaints and its exit code', async () => {
    const words = `head -c ${BYTES} /dev/zero; echo done >&2; exit 7`
    const chain = await startChain([program(['sh', '-c', words])], { stdin: null, signal })
    let bytes = 0
    for await (const chunk of chain.stdout ?? []) {
      bytes += chunk.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    const [exit] = await chain.exits
    expect([bytes, exit?.code, exit?.stderr]).toEqual([BYTES, 7, ['done']])
  })

  it('takes all of its input', async () => {
    const chain = await startChain([program(['sha256sum'], true)], { stdin: 'pipe', signal })
    const hash = createHash('sha256')
    for (let n = 0; n < 300; n++) {
      const chunk = Buffer.alloc(BYTES / 300, n)
      hash.update(chunk)
      if (chain.stdin) await offer(chain.stdin, chunk)
    }
    chain.stdin?.end()
    let text = ''
    for await (const chunk of chain.stdout ?? []) text += chunk
    expect(text).toBe(`${hash.digest('hex')}  -\n`)
    expect((await chain.exits)[0]?.code).toBe(0)
  })

  it('fails when its container is killed, however cleanly the stream ends', async () => {
    await docker.run('--name=victim', '--init', 'debian:12', 'sleep', 'infinity')
    const argv = ['sh', '-c', 'echo begun; sleep 600']
    const chain = await startChain([program(argv, false, 'victim')], { stdin: null, signal })
    for await (const _ of chain.stdout ?? []) {
      await docker.docker('kill', 'victim')
    }
    expect((await chain.exits)[0]?.code).not.toBe(0)
  })

  it('is ended in the container when it is told to stop', async () => {
    const chain = await startChain([program(['sleep', '654'])], { stdin: null, signal })
    const runs = async () => (await docker.exec('app', 'ps', '-eo', 'args')).includes('sleep 654')
    while (!(await runs())) await sleep(20)
    await chain.stop()
    while (await runs()) await sleep(20)
    expect((await chain.exits)[0]?.code).not.toBe(0)
  })
})

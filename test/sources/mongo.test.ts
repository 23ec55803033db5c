import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { section } from '../../src/core/section.ts'
import { MONGO } from '../../src/sources/by-container/dialects.ts'
import { mongo } from '../../src/sources/by-container.ts'
import { archiveTo, sourceContract } from '../contract/source.ts'
import { type DockerEngine, startDocker } from '../services/docker.ts'
import { makeBench } from '../support/directories.ts'

const PASSWORD = 'hunter22 "words" $x'
let docker: DockerEngine
let count = 0

beforeAll(async () => {
  docker = await startDocker(['debian'])
  const env = [
    '--env=MONGO_INITDB_ROOT_USERNAME=root',
    `--env=MONGO_INITDB_ROOT_PASSWORD=${PASSWORD}`,
  ]
  await docker.run('--name=db', '--volume=data:/data', ...env, 'debian:12', 'sleep', 'infinity')
  for (const name of ['mongodump', 'mongorestore']) {
    const script = join(import.meta.dirname, `../services/${name}.sh`)
    await writeFile(at(name), await readFile(script))
    await docker.exec('db', 'install', `/data/${name}`, '/usr/bin')
  }
  await writeFile(at('password'), `password: ${JSON.stringify(PASSWORD)}\n`)
}, 120_000)
afterAll(() => docker[Symbol.asyncDispose]())

const at = (...parts: readonly string[]) => join(docker.volume('data'), ...parts)

const sourceOf = (databases: readonly string[]) =>
  mongo.configure(section('source', { container: 'db', docker: docker.host, databases }))

async function shop(): Promise<string> {
  const name = `shop_${++count}`
  await mkdir(at('databases', name), { recursive: true })
  await writeFile(at('databases', name, 'item'), 'held fast')
  return name
}

sourceContract('mongo in a container', async () => {
  const name = await shop()
  const item = at('databases', name, 'item')
  return {
    source: sourceOf([name]),
    broken: sourceOf(['missing']),
    contents: async () => await readFile(item, 'utf8'),
    change: async () => await writeFile(item, 'changed'),
    elsewhere: null,
    dispose: async () => {},
  }
})

describe('a MongoDB container', () => {
  it('is given its password by neither argument nor shell, and is failed by name for a wrong one', async () => {
    const env = { MONGO_INITDB_ROOT_USERNAME: 'root', MONGO_INITDB_ROOT_PASSWORD: PASSWORD }
    for (const { argv, env: own } of [MONGO.dump(env, []), MONGO.load(env)]) {
      expect(argv.join(' ')).not.toContain('hunter22')
      expect(own.HOLDFAST_PASSWORD).toBe('"hunter22 \\"words\\" $x"')
      expect(argv).toContain('--authenticationDatabase=admin')
    }
    await using bench = await makeBench()
    const context = { scratch: bench.at('.'), leaveOut: [], token: 'contract' }
    const name = await shop()
    await writeFile(at('password'), 'password: "another"\n')
    const wrong = await archiveTo(bench.at('a'), sourceOf([name]), context).catch((error) => error)
    await writeFile(at('password'), `password: ${JSON.stringify(PASSWORD)}\n`)
    expect([wrong.code, wrong.hint]).toEqual([
      'source_failed',
      expect.stringMatching(/MONGO_INITDB_ROOT_PASSWORD/),
    ])
  })
})

describe('a dump of mongodump', () => {
  // What mongodump 100.18 ended with, of two documents and of a database that is not there.
  const whole = '08454f460001124352430091367c3844f30ffc00ffffffff'

  it('is whole when it ends with the end of a collection, and holds one', () => {
    const tailOf = (hex: string) => Buffer.from(hex, 'hex').toString('latin1')
    expect(MONGO.end.isThere(tailOf(whole))).toBe(true)
    expect(MONGO.end.isThere(tailOf(whole.slice(0, -8)))).toBe(false)
    const none = '6f75742d76657273696f6e2d737472696e670000ffffffff'
    expect(MONGO.end.isThere(tailOf(none))).toBe(false)
  })
})

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { parseDuration } from '../../src/lib/time.ts'
import { holdfast, makeFolder, ROOT } from './support.ts'

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly secrets?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>> | readonly string[]
  readonly networks?: readonly string[] | { readonly all: { readonly ipv4_address: string } }
  readonly healthcheck?: Readonly<Record<string, string>> & { readonly test: readonly string[] }
  readonly stop_grace_period?: string
  readonly init?: boolean
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const FILE = join(ROOT, 'examples', 'ha', 'compose.yaml')
const text = readFileSync(FILE, 'utf8')
const compose = parse(text, { merge: true }) as Compose
const services = Object.entries(compose.services)
const nodes = services.filter(([name]) => name.startsWith('node-'))

// A copy of what of the checkout the script needs: it writes beside itself.
const copy = await makeFolder()
const here = join(copy.path, 'examples', 'ha')

beforeAll(() => {
  cpSync(join(ROOT, 'examples', 'ha'), here, {
    recursive: true,
    filter: (from) => !/\/(run|secrets|\.env)$/.test(from),
  })
  execFileSync('ln', ['-s', join(ROOT, 'bin'), join(copy.path, 'bin')])
  execFileSync(join(here, 'make-secrets'), { stdio: 'ignore' })
})

afterAll(async () => {
  await copy[Symbol.asyncDispose]()
})

/** What compose would give a container, with the variables of `.env` in their places. */
function environmentOf({ environment = {} }: Service): Readonly<Record<string, string>> {
  const [, recipient = ''] =
    /^RECIPIENT=(.+)$/m.exec(readFileSync(join(here, '.env'), 'utf8')) ?? []
  const filled = Object.entries(environment).map(([name, value]) => [
    name,
    value.replace(/^\$\{RECIPIENT:.*\}$/, recipient),
  ])
  return Object.fromEntries(filled)
}

describe('compose.yaml of the example of several instances', () => {
  it('asks for no variable that make-secrets does not give', () => {
    const asked = [...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name]) => name)
    const given = readFileSync(join(here, '.env'), 'utf8').match(/^\w+(?==.+$)/gm)
    expect([...new Set(asked)]).toEqual(given)
  })

  it('mounts and depends on nothing that is not there', () => {
    for (const [name, { volumes = [], secrets = [], depends_on = [] }] of services) {
      for (const [from = ''] of volumes.map((one) => one.split(':'))) {
        const isThere = from.startsWith('.')
          ? existsSync(join(here, from))
          : Object.keys(compose.volumes).includes(from)
        expect(isThere, `${from} of ${name}`).toBe(true)
      }
      expect(Object.keys(compose.secrets)).toEqual(expect.arrayContaining([...secrets]))
      const others = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
      for (const other of others) expect(Object.keys(compose.services)).toContain(other)
    }
    for (const { file } of Object.values(compose.secrets)) {
      expect(statSync(join(here, file)).size, file).toBeGreaterThan(0)
    }
    const given = services.flatMap(([, { secrets = [] }]) => secrets)
    expect(new Set(given)).toEqual(new Set(Object.keys(compose.secrets)))
  })

  it('keeps passwords out of itself, and the folder of secrets to its owner', () => {
    expect(statSync(join(here, 'secrets')).mode & 0o777).toBe(0o700)
    expect(statSync(join(here, 'secrets', 'age.key')).mode & 0o777).toBe(0o600)
    expect(text).not.toMatch(/:\/\/\w*:\w+@|requirepass/i)
    const names = services.flatMap(([, { environment = {} }]) => Object.keys(environment))
    expect(names.filter((name) => /(?:PASSWORD|SECRET|TOKEN|KEY)$/.test(name))).toEqual([])
    const commands = JSON.stringify(services.map(([, { command }]) => command))
    expect(commands).not.toMatch(/password|\$\(/)
  })

  it('runs three instances whose config loads from what their containers hold', async () => {
    expect(nodes).toHaveLength(3)
    for (const [name, service] of nodes) {
      const env = environmentOf(service)
      expect(env).toMatchObject({ HOLDFAST_INSTANCE: name, SECRETS: '/run/secrets' })
      const desired = await loadConfig({
        path: join(here, 'holdfast.yml'),
        env: { ...env, SECRETS: join(here, 'secrets') },
        cwd: here,
      })
      expect(desired).toMatchObject({
        instances: nodes.length,
        dataDir: '/var/lib/holdfast',
        identity: { name, labels: [name === 'node-1' ? 'files' : 'any'] },
        http: { host: '0.0.0.0', port: 7788, isDeclared: true },
        state: { kind: 'postgres' },
      })
      const files = [
        ...readFileSync(join(here, 'holdfast.yml'), 'utf8').matchAll(/run\/secrets\}\/([\w.-]+)/g),
      ]
      expect(new Set(service.secrets)).toEqual(new Set(files.map(([, file]) => file)))
    }
  })

  it('lets each instance drain, and restarts none because it is not ready', async () => {
    for (const [, service] of nodes) {
      const { stop_grace_period = '', healthcheck, init } = service
      const desired = await loadConfig({
        path: join(here, 'holdfast.yml'),
        env: { ...environmentOf(service), SECRETS: join(here, 'secrets') },
        cwd: here,
      })
      expect(parseDuration(stop_grace_period)).toBeGreaterThan(desired.drainTimeout)
      expect(init).toBe(true)
      expect(healthcheck).toMatchObject({ interval: '5s', timeout: '2s', retries: 3 })
      const [kind, program, , script = ''] = healthcheck?.test ?? []
      expect([kind, program]).toEqual(['CMD', 'node'])
      expect(script).toContain("fetch('http://127.0.0.1:7788/healthz')")
      new Script(script)
    }
    expect(text).not.toContain('/readyz')
    const routes = readFileSync(join(ROOT, 'src', 'http', 'routes.ts'), 'utf8')
    expect(routes).toContain("path: '/healthz'")
  })

  it('gives the image words that it knows', async () => {
    const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    expect(dockerfile).toContain('CMD ["daemon"]')
    expect(dockerfile).toContain('WORKDIR /etc/holdfast')
    for (const [, { command, volumes = [] }] of nodes) {
      expect(command).toBeUndefined()
      expect(volumes).toContain('.:/etc/holdfast:ro')
    }
    expect((await holdfast(['daemon', '--help'], { cwd: here })).code).toBe(0)
  })

  it('checks the health of every service that stays', () => {
    const unchecked = services.filter(([, { healthcheck }]) => !healthcheck).map(([name]) => name)
    expect(unchecked).toEqual(['bucket'])
  })

  it('has the addresses of Redis that its secrets name', () => {
    const addressOf = (name: string) => {
      const networks = compose.services[name]?.networks
      return networks && 'all' in networks ? networks.all.ipv4_address : ''
    }
    const secret = (name: string) => readFileSync(join(here, 'secrets', name), 'utf8')
    const sentinels = [1, 2, 3].map((number) => `${addressOf(`sentinel-${number}`)}:26379`)
    expect(secret('redis')).toContain(sentinels.join(',').replaceAll(':26379', ''))
    expect(secret('sentinel.conf')).toContain(`mymaster ${addressOf('redis-1')} 6379 2`)
    for (const name of ['redis-2', 'redis-3']) {
      expect(compose.services[name]?.command?.slice(-2)).toEqual([addressOf('redis-1'), '6379'])
    }
  })
})

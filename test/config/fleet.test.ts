import { describe, expect, it } from 'vitest'
import { faultsIn, line, loadText, revealed } from './support.ts'

const URL = 'postgres://h/db'

describe('a file that several instances share', () => {
  it('says where the state is, who this one is, and where it listens', async () => {
    const text = [
      `state: "${URL}"`,
      'state_direct: "postgres://direct/db"',
      'redis: "redis://h:6379"',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
      'instance: { id: eu-1, labels: [nas, eu], name: "${LEFT_ALONE}" }',
      'instances: 3',
      'http: { listen: "[::1]:7000", token: 0123456789abcdef }',
    ].join('\n')
    const { state, redis, identity, instances, http } = await loadText(text)
    expect(state.kind).toBe('postgres')
    if (state.kind === 'postgres') {
      expect([revealed(state.url), revealed(state.direct)]).toEqual([URL, 'postgres://direct/db'])
    }
    expect(revealed(redis)).toBe('redis://h:6379')
    expect(identity).toEqual({ name: 'eu-1', labels: ['nas', 'eu'] })
    expect(instances).toBe(3)
    expect(http).toMatchObject({ host: '::1', port: 7000, isDeclared: true })
    expect(revealed(http?.token)).toBe('0123456789abcdef')
  })

  it('is refused with a history that each of them would have for itself', async () => {
    const faults = await faultsIn('redis: "redis://h"\ninstances: 3')
    expect(faults.map(line)).toEqual([
      'holdfast.yml:1:8 redis: several instances need their history in PostgreSQL, and state is SQLite (set state to the address of a PostgreSQL database that all instances share, or take redis out)',
      'holdfast.yml:2:12 instances: several instances need their history in PostgreSQL, and state is SQLite (set state to the address of a PostgreSQL database that all instances share)',
    ])
  })

  it('is named by the environment before the file', async () => {
    const text = `state: "${URL}"\ninstance: { id: eu-1, labels: [nas] }`
    const { identity } = await loadText(text, { HOLDFAST_INSTANCE: 'eu-2' })
    expect(identity).toEqual({ name: 'eu-2', labels: ['nas'] })
  })

  it('listens nowhere when it says so, and on no port that cannot be', async () => {
    expect((await loadText('http: { enabled: false }')).http).toBeNull()
    const faults = await faultsIn('http: { listen: "127.0.0.1:70000" }')
    expect(faults.map(line)).toEqual(['holdfast.yml:1:17 http.listen: has no such port'])
  })

  it('lets a job ask for instances, by one word or several', async () => {
    const job = (on: string) =>
      `targets: { t: { type: local, path: /b, concurrency: 2 } }\njobs: { a: { source: { type: directory, path: /a }, vardo_job_id: v1${on} } }`
    const [plain] = (await loadText(job(''))).jobs
    expect([plain?.on, plain?.vardoJobId]).toEqual([[], 'v1'])
    expect((await loadText(job(', on: nas'))).jobs[0]?.on).toEqual(['nas'])
    const several = await loadText(job(', on: [nas, eu-1]'))
    expect(several.jobs[0]?.on).toEqual(['nas', 'eu-1'])
    expect(several.jobs[0]?.fingerprint).not.toBe(plain?.fingerprint)
    expect(several.targets[0]?.concurrency).toBe(2)
  })
})

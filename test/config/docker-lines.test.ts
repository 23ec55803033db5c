import { describe, expect, it } from 'vitest'
import { JOB_MAKING } from '../../src/config/auto-template.ts'
import { autoJobs } from '../../src/core/auto-jobs.ts'
import { type Coverage, coverage } from '../../src/core/coverage.ts'
import {
  composed,
  composedVolume,
  container,
  engine,
  seenBy,
  volume,
} from '../core/docker-nouns.ts'
import { loadText, NOW } from './support.ts'

const SEEN = engine(
  [
    container('shop-web-1', ['shop_up:/up', 'ab:/x', '/srv/odd "dir":/y', '/srv/pg:/pg'], {
      labels: composed('shop', 'web'),
    }),
    container('shop-db-1', ['shop_pg:/var/lib/postgresql/data'], {
      image: 'postgres:15',
      labels: composed('shop', 'db'),
    }),
    container('true', ['truth:/d']),
    container('bare', [], { image: 'mariadb' }),
    container('bound', ['/srv/mysql:/var/lib/mysql'], { image: 'mysql' }),
    container('keeper', ['kept:/k'], { labels: { 'holdfast.persistent': 'true' } }),
    container('blog-green', ['blog-green_d:/d'], {
      labels: { ...composed('blog-green', 'web'), 'vardo.project': 'blog' },
    }),
    container('backup', ['shop_up:/backup/up:ro', '/srv/conf:/backup/conf'], {
      image: 'offen/docker-volume-backup:v2',
      words: {
        BACKUP_CRON_EXPRESSION: '0 4 * * *',
        BACKUP_RETENTION_DAYS: '14',
        TZ: 'Europe/Berlin',
      },
    }),
  ],
  [
    composedVolume('shop', 'up'),
    composedVolume('shop', 'pg'),
    volume('ab'),
    volume('truth'),
    volume('kept'),
    volume('blog-green_d'),
    volume('blog-staging_d'),
    volume('lonely'),
  ],
)

const BASE = 'targets:\n  t: { type: local, path: b }\n'

async function covered(text: string): Promise<Coverage> {
  const declared = await loadText(text)
  const surroundings = [seenBy('host-a', SEEN)]
  const request = { desired: declared, surroundings, made: [], now: NOW }
  const { jobs } = autoJobs(request, JOB_MAKING)
  const seen = coverage({ ...declared, jobs: [...declared.jobs, ...jobs] }, surroundings, NOW)
  if (seen === null) throw new Error('nobody looks')
  return seen
}

describe.each([
  ['with auto jobs', `${BASE}docker: { discover: true }\n`],
  ['without auto jobs', `${BASE}docker: { discover: true }\nauto: false\n`],
])('the lines that plan prints, %s', (_name, base) => {
  it('protect, written into the file, what they are printed for', async () => {
    const { unprotected } = await covered(base)
    expect(unprotected.length).toBeGreaterThan(9)
    for (const { kind, name, lines } of unprotected) {
      const after = await covered(`${base}${lines.join('\n')}\n`)
      const open = after.unprotected.filter((one) => one.kind === kind && one.name === name)
      expect(open, lines.join('\n')).toEqual([])
      expect(after.protected.map((one) => one.name)).toContain(name)
    }
  })

  it('make a config that loads out of the settings of other tools', async () => {
    const { tools } = await covered(base)
    expect(tools).toHaveLength(1)
    for (const { lines } of tools) {
      const { jobs } = await loadText(`${base}${lines.join('\n')}\n`)
      expect(jobs).toMatchObject([
        { schedule: { cron: '0 4 * * *', timezone: 'Europe/Berlin' }, sources: [{}, {}] },
      ])
    }
  })
})

describe('the lines for a file without a target', () => {
  it('begin with one', async () => {
    const { unprotected } = await covered('docker: { discover: true }\n')
    for (const { lines } of unprotected) expect(lines[0]).toBe('targets:')
  })
})

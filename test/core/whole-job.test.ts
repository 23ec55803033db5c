import { expect, it } from 'vitest'
import type { Choice } from '../../src/core/choose.ts'
import type { JobId } from '../../src/core/model.ts'
import { meansAll, wholeJob } from '../../src/core/whole-job.ts'

const choice = (source: string, id = 'a') => ({ backup: { source, id } }) as Choice
const source = (name: string, kind: string, options = {}) => ({ name, kind, options })

it('a job comes back roles first, else in the order of the file, and tells what cannot', () => {
  const choices = ['app', 'globals', 'old', 'uploads'].map((name) => choice(name))
  const declared = [
    source('uploads', 'directory'),
    source('app', 'postgres', { database: 'app' }),
    source('globals', 'postgres', { globals: true }),
    source('never', 'directory'),
    // What was dropped, and all of whose backups are pruned, is nobody's loss.
    { ...source('dropped', 'postgres'), isGone: true as const },
  ]
  const { chosen, undeclared, without } = wholeJob(choices, declared)
  expect(chosen.map(({ backup }) => backup.source)).toEqual(['globals', 'uploads', 'app'])
  expect([undeclared, without]).toEqual([['old'], ['never']])
})

it('a job is meant whole by its name alone, and not where a source or one backup is named', () => {
  const [one, two] = [choice('db', '1kaaaaaaaaaaaaaa01'), choice('files', '1kbbbbbbbbbbbbbb02')]
  const latest = { kind: 'latest' } as const
  const job = 'shop' as JobId
  const both = [source('db', 'sqlite'), source('files', 'directory')]
  const all = (text: string, choices: readonly Choice[], declared = both) => {
    const which = text === '' ? latest : ({ kind: 'named', text } as const)
    return meansAll({ job, source: null, which }, choices, declared)
  }
  expect(all('', [one, two])).toBe(true)
  expect(all('', [one])).toBe(true)
  expect(all('weekly', [one])).toBe(true)
  expect(all('1kaaaa', [one])).toBe(false)
  expect(all('', [one], both.slice(0, 1))).toBe(false)
  expect(all('', [one, two], both.slice(0, 1))).toBe(true)
  expect(meansAll({ job, source: 'db', which: latest }, [one], both)).toBe(false)
})

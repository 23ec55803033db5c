import { expect, it } from 'vitest'
import type { Choice } from '../../src/core/choose.ts'
import { wholeJob } from '../../src/core/whole-job.ts'

const choice = (source: string) => ({ backup: { source } }) as Choice

it('a job comes back roles first, else in the order of the file, and tells what cannot', () => {
  const choices = ['app', 'globals', 'old', 'uploads'].map(choice)
  const source = (name: string, kind: string, options = {}) => ({ name, kind, options })
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

import { expect, it } from 'vitest'
import type { Choice } from '../../src/core/choose.ts'
import { wholeJob } from '../../src/core/whole-job.ts'

const choice = (source: string) => ({ backup: { source } }) as Choice

it('comes back in the order of the file, and names what cannot', () => {
  const choices = ['app', 'globals', 'old', 'uploads'].map(choice)
  const declared = [
    { name: 'uploads' },
    { name: 'globals' },
    { name: 'app' },
    { name: 'never' },
    // What was dropped, and all of whose backups are pruned, is nobody's loss.
    { name: 'dropped', isGone: true as const },
  ]
  const { chosen, undeclared, without } = wholeJob(choices, declared)
  expect(chosen.map(({ backup }) => backup.source)).toEqual(['uploads', 'globals', 'app'])
  expect([undeclared, without]).toEqual([['old'], ['never']])
})
